"""Response rules on tool calls' arguments and on log probabilities, which say in another form what a text says."""

from __future__ import annotations

import orjson
from amas_ai_router.domain.pseudonyms import Pseudonyms
from hypothesis import given, settings
from hypothesis import strategies as st

from .answer_chunks import KEY, SECRET, answer, arguments, chunk, guard, pieces, run, text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=20), st.booleans())
def test_arguments_are_redacted_decoded_and_stay_json(cuts: list[int], escaped: bool) -> None:
    """Escapes hide nothing, secrets that only their key tells are found, and what comes out is JSON."""
    hidden = "".join(f"\\u{ord(character):04x}" for character in KEY) if escaped else KEY
    raw = f'{{"note":"a \\"quoted\\"\\nline","key":"{hidden}","aws_secret_access_key":"{SECRET}","n":[1,"x"]}}'
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "save", "arguments": ""}}
    chunks = [chunk({"tool_calls": [call]})]
    chunks += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in pieces(raw, cuts)]
    out = run(guard(), [*chunks, chunk({}, "tool_calls")])
    assert orjson.loads(arguments(out)) == {
        "note": 'a "quoted"\nline',
        "key": "[redacted:aws-access-key]",
        "aws_secret_access_key": "[redacted:aws-secret-key]",
        "n": [1, "x"],
    }
    assert out[0]["choices"][0]["delta"]["tool_calls"] == [call]
    assert out[-1]["choices"][0]["finish_reason"] == "tool_calls"
    whole, changed = guard().whole(answer({"content": None, "tool_calls": [{"function": {"arguments": raw}}]}))
    assert changed
    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == arguments(out)


def test_arguments_that_are_no_json_hide_nothing_either() -> None:
    """An answer that was cut off in the middle of its arguments."""
    hidden = "".join(f"\\u{ord(character):04x}" for character in KEY)
    delta = {"tool_calls": [{"index": 0, "function": {"arguments": f'{{"key":"{hidden}'}}]}
    out = run(guard(), [chunk(delta), chunk({}, "length")])
    assert arguments(out) == '{"key":"[redacted:aws-access-key]'


def test_arguments_without_findings_are_not_touched() -> None:
    """Not even their spaces."""
    raw = '{ "a" : 1.0 }'
    out = run(guard(), [chunk({"tool_calls": [{"index": 0, "function": {"arguments": raw}}]}), chunk({}, "tool_calls")])
    assert arguments(out) == raw


def test_restored_values_are_escaped_in_arguments() -> None:
    """A value with quotes and line feeds goes back into JSON as JSON."""
    pseudonyms = Pseudonyms(frozenset({"secret"}))
    value = "-----BEGIN " + 'PRIVATE KEY-----\n"x"\\\n-----END ' + "PRIVATE KEY-----"
    token = pseudonyms.hide("", value)
    assert token == "<PRIVATE_KEY_1>"
    delta = {
        "tool_calls": [{"index": 0, "function": {"arguments": f'{{"key":"{token}","also":"\\u003cPRIVATE_KEY_1>"}}'}}]
    }
    out = run(guard((), pseudonyms=pseudonyms), [chunk(delta), chunk({}, "tool_calls")])
    assert orjson.loads(arguments(out)) == {"key": value, "also": value}


def test_a_stop_in_arguments_calls_no_tool() -> None:
    """What was stopped must not be carried out."""
    delta = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a":"rm -rf \\u002f"}'}}]}
    rules = guard((), ("rm -rf /",))
    out = run(rules, [chunk(delta), chunk({}, "tool_calls")])
    assert arguments(out) == ""
    assert out[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert rules.stopped
    message = {"content": "ok", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a":"rm -rf /"}'}}]}
    whole, changed = guard((), ("rm -rf /",)).whole(answer(message))
    assert changed
    assert whole["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "ok"},
        "finish_reason": "content_filter",
    }


def test_log_probabilities_wait_for_their_text_and_go_with_it() -> None:
    """They spell the text out, token by token."""
    tokens = ["Hello, ", "it is ", KEY[:8], KEY[8:], ", ", "bye."]
    chunks = [
        chunk({"content": t}, logprobs={"content": [{"token": t, "logprob": 0}], "refusal": None}) for t in tokens
    ]
    out = run(guard(), [*chunks, chunk({}, "stop")])
    assert text(out) == "Hello, it is [redacted:aws-access-key], bye."
    seen: list[str] = []
    said = ""
    for fields in out:
        choice = fields["choices"][0]
        said += choice["delta"].get("content", "")
        seen += [entry["token"] for entry in (choice.get("logprobs") or {}).get("content", [])]
        # Never ahead of the text.
        assert len("".join(seen)) <= len(said)
    assert seen == ["Hello, ", "it is ", ", ", "bye."]


def test_log_probabilities_of_a_redacted_answer_are_dropped() -> None:
    """Those of an answer without findings stay."""
    logprobs = {"content": [{"token": KEY}]}
    whole, changed = guard().whole(answer({"content": f"it is {KEY}"}, logprobs=logprobs))
    assert changed
    assert "logprobs" not in whole["choices"][0]
    same, changed = guard().whole(answer({"content": "it is"}, logprobs=logprobs))
    assert not changed
    assert same["choices"][0]["logprobs"] == logprobs
