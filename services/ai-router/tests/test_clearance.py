"""Clearance: data above what a route may see is refused, or leaves under pseudonyms, as the route says."""

from __future__ import annotations

import copy
from typing import Any, Literal

import orjson
import pytest
from amas_ai_router.domain.clearance import clearance
from amas_ai_router.domain.json_texts import rewritten
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.labels import Confidentiality, Label
from amas_governance.resources import RouteClearance

MAIL = "developer@example.com"
CARD = "4111 1111 1111 1111"
SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
INTERNAL = Confidentiality.INTERNAL


def spec(otherwise: Literal["refuse", "pseudonymise"], *categories: Any) -> RouteClearance:
    return RouteClearance(otherwise=otherwise, categories=categories)


def label(*categories: str, level: Confidentiality = INTERNAL) -> Label:
    return Label(level, frozenset(categories))


def asking(content: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "default", "messages": [{"role": "user", "content": content}], **fields}


@pytest.mark.parametrize("otherwise", ["refuse", "pseudonymise"])
def test_confidentiality_above_the_clearance_is_refused_always(otherwise: Literal["refuse", "pseudonymise"]) -> None:
    """No detector takes out of a text what makes it confidential."""
    with pytest.raises(AmasError) as caught:
        clearance(spec(otherwise), label(level=Confidentiality.CONFIDENTIAL), asking("hello"), route="default")
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.PERMISSION_DENIED, "CLEARANCE_EXCEEDED")
    assert caught.value.metadata == {"route": "default", "label": "confidential", "clearance": "internal"}


def test_an_uncleared_category_is_refused() -> None:
    """The label says it, whatever the text does."""
    with pytest.raises(AmasError, match="not cleared") as caught:
        clearance(spec("refuse", "pci"), label("pii", "pci"), asking("hello"), route="default")
    assert caught.value.metadata == {"route": "default", "label": "internal pci pii", "clearance": "internal pci"}


def test_what_is_cleared_passes_untouched() -> None:
    """No copy, no scan: the label is trusted where the route refuses."""
    fields = asking(MAIL)
    cleared = clearance(spec("refuse"), label(), fields)
    assert cleared.fields is fields
    assert cleared.pseudonyms is None
    everything = clearance(spec("pseudonymise", "pii", "pci", "secret"), label("pii"), fields)
    assert everything.fields is fields


def test_no_finding_leaves_the_request_as_it_is() -> None:
    """Most calls have nothing to hide."""
    fields = asking("hello", tools=[{"type": "function", "function": {"name": "f"}}])
    cleared = clearance(spec("pseudonymise"), label("pii"), fields)
    assert cleared.fields is fields
    assert cleared.pseudonyms is None


def test_every_text_of_a_request_is_pseudonymised() -> None:
    """Contents, parts, tool results, arguments, names and keys; and it all comes back."""
    fields: dict[str, Any] = {
        "model": "default",
        "messages": [
            {"role": "system", "content": f"Write to {MAIL}.", "name": MAIL},
            {"role": "user", "content": [{"type": "text", "text": f"card {CARD}"}]},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "1", "function": {"name": "f", "arguments": '{"to":"developer\\u0040example.com","n":1}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": orjson.dumps({"aws_secret_access_key": SECRET}).decode()},
        ],
        "metadata": {MAIL: "x"},
        "user": MAIL,
    }
    before = copy.deepcopy(fields)
    cleared = clearance(spec("pseudonymise"), label(), fields)
    assert fields == before
    assert cleared.pseudonyms is not None
    sent = orjson.dumps(cleared.fields).decode()
    assert "example.com" not in sent
    assert CARD not in sent
    assert SECRET not in sent
    assert cleared.fields["messages"][0]["content"] == "Write to <EMAIL_1>."
    assert cleared.fields["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"to":"<EMAIL_1>","n":1}'
    assert cleared.fields["metadata"] == {"<EMAIL_1>": "x"}
    back = rewritten(cleared.fields, cleared.pseudonyms.restore)
    before["messages"][2]["tool_calls"][0]["function"]["arguments"] = f'{{"to":"{MAIL}","n":1}}'
    assert back == before


def test_texts_are_looked_at_whatever_the_label_says() -> None:
    """A caller who forgot to say what a text holds does not send it out for that."""
    cleared = clearance(spec("pseudonymise", "pci"), Label.LOWEST, {"input": [f"{MAIL} {CARD}"]})
    assert cleared.fields == {"input": [f"<EMAIL_1> {CARD}"]}


def test_tokens_that_the_caller_wrote_are_not_taken() -> None:
    """They mean something to him, and must not turn into somebody's address."""
    cleared = clearance(spec("pseudonymise"), label(), asking(f"what is <EMAIL_1>? {MAIL}"))
    assert cleared.fields["messages"][0]["content"] == "what is <EMAIL_1>? <EMAIL_2>"


def test_what_no_detector_finds_cannot_be_pseudonymised() -> None:
    """Health data has no form of its own."""
    with pytest.raises(AmasError, match="cannot be pseudonymised"):
        clearance(spec("pseudonymise"), label("phi"), asking("hello"))


@pytest.mark.parametrize(
    "fields",
    [
        asking(
            [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
        ),
        asking([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]),
        asking(["?"]),
        {"input": [1, 2, 3]},
        {"input": [[1, 2]]},
    ],
)
def test_what_is_no_text_cannot_be_pseudonymised(fields: dict[str, Any]) -> None:
    """Nobody looks into a picture, so one whose label names an uncleared category stays here."""
    with pytest.raises(AmasError, match="only texts"):
        clearance(spec("pseudonymise"), label("pii"), fields)
    assert clearance(spec("pseudonymise"), label(), fields).fields is fields


def test_a_request_that_cannot_be_looked_through_does_not_go_out() -> None:
    """Fail closed, and say why without saying what."""
    deep: Any = MAIL
    for _ in range(200):
        deep = [deep]
    with pytest.raises(AmasError) as caught:
        clearance(spec("pseudonymise"), label(), asking(deep))
    assert caught.value.reason == "BODY_INVALID"
    assert MAIL not in str(caught.value)
