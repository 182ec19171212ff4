"""Labels and DLP: data goes only where its label allows, and no secret leaves or comes back (invariants I1, I6, I7)."""

from __future__ import annotations

import json

import pytest
from amas_governance.labels import CATEGORIES, Confidentiality, Integrity, Label
from amas_governance.pins import tool_list_pin
from amas_policy_sidecar.domain.data_flow import Hiding
from amas_policy_sidecar.domain.model import Effect, Outcome, ToolAnswer, ToolDescription
from amas_policy_sidecar.domain.results import MAX_RESULT, shape

from .fakes import TRUSTED
from .manifests import LOG_SCHEMA, PUBLISHER, bundle, role, tool_server
from .world import World

# Shaped like a real token, and nobody's.
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


async def test_a_secret_in_arguments_is_denied_and_not_recorded() -> None:
    """I1: a secret does not leave in arguments; the record of the denial does not hold it either."""
    world = World()
    answer = await world.enforce(world.command(arguments=json.dumps({"message": f"docs: {TOKEN}"})))
    assert answer.decision.effect is Effect.DENY
    assert answer.decision.reasons[0].code == "SECRET_IN_ARGUMENTS"
    assert world.tools.calls == []
    data = world.audit.data("dev.amas.action.denied")
    assert data["argumentsRedacted"] is True
    assert TOKEN not in json.dumps(data)
    assert TOKEN not in repr(answer)


async def test_a_secret_in_a_nested_argument_or_a_key_is_found() -> None:
    """Depth hides nothing, and neither does standing in a key."""
    for arguments in ({"path": "a", "more": [{"x": [TOKEN]}]}, {"path": "a", TOKEN: 1}):
        world = World()
        answer = await world.enforce(world.command(tool="git/log", arguments=json.dumps(arguments)))
        assert answer.decision.reasons[0].code == "SECRET_IN_ARGUMENTS"


@pytest.mark.parametrize(
    ("label", "code"),
    [
        (Label(Confidentiality.CONFIDENTIAL, frozenset(), Integrity.TRUSTED), "CLEARANCE_EXCEEDED"),
        (Label(Confidentiality.INTERNAL, frozenset({"phi"}), Integrity.TRUSTED), "CATEGORY_NOT_CLEARED"),
    ],
)
async def test_a_context_above_the_roles_clearance_is_denied(label: Label, code: str) -> None:
    """I6: also where a policy would let it pass, no role acts on data that it may not see."""
    world = World()
    answer = await world.enforce(world.command(label=label))
    assert answer.decision.reasons[0].code == code
    assert world.tools.calls == []


async def test_a_result_above_the_roles_clearance_is_not_fetched() -> None:
    """I6: what the role may not see is not asked for."""
    server = tool_server(results={"confidentiality": "restricted"})
    world = World(bundle=bundle(PUBLISHER, server))
    answer = await world.enforce(world.command(tool="git/log", arguments="{}"))
    assert answer.decision.reasons[0].code == "CLEARANCE_EXCEEDED"
    assert world.tools.calls == []


@pytest.mark.parametrize("where", ["server", "tool"])
async def test_a_tool_is_handed_nothing_above_its_own_clearance(where: str) -> None:
    """I6: what a role may see need not leave by every tool that it may call, whatever a policy says."""
    cleared = {"clearance": {"confidentiality": "public"}}
    tools = {"log": {"effect": "read"}, "commit": {"effect": "external", **(cleared if where == "tool" else {})}}
    world = World(bundle=bundle(PUBLISHER, tool_server(tools=tools, **(cleared if where == "server" else {}))))
    answer = await world.enforce(world.command(label=TRUSTED))
    assert [reason.code for reason in answer.decision.reasons] == ["CLEARANCE_EXCEEDED"]
    assert world.tools.calls == []
    assert world.engine.documents[-1]["action"]["clearance"] == {"confidentiality": "public", "categories": []}


async def test_a_tools_own_clearance_counts_before_its_servers() -> None:
    """One tool of a server may be trusted with more than the others."""
    tools = {"commit": {"effect": "write", "clearance": {"confidentiality": "internal"}}, "log": {"effect": "read"}}
    world = World(bundle=bundle(PUBLISHER, tool_server(tools=tools, clearance={"confidentiality": "public"})))
    assert (await world.enforce(world.command(label=TRUSTED))).decision.effect is Effect.ALLOW


async def test_the_label_of_a_result_is_the_join() -> None:
    """I6: labels only rise: what comes back carries the context's label and the tool's."""
    server = tool_server(
        results={"confidentiality": "public", "integrity": "trusted"},
        tools={
            "log": {"effect": "read", "results": {"confidentiality": "public", "categories": ["pii"]}},
            "commit": {"effect": "write"},
        },
    )
    reader = role("publisher", [{"name": "git/log"}], data={"clearance": "internal", "categories": ["pii"]})
    world = World(bundle=bundle(reader, server))
    answer = await world.enforce(world.command(tool="git/log", arguments="{}", label=TRUSTED))
    assert answer.result.label == Label(Confidentiality.INTERNAL, frozenset({"pii"}), Integrity.UNTRUSTED)


def marked_tool(mark: object) -> ToolDescription:
    """The tool `log`, with an output schema that marks a field."""
    schema = {"type": "object", "properties": {"author": {"type": "string", "x-amas-classification": mark}}}
    definition = {"name": "log", "inputSchema": LOG_SCHEMA, "outputSchema": schema}
    return ToolDescription("log", "Shows the log.", LOG_SCHEMA, definition)


async def test_a_tools_own_marks_raise_the_label_of_its_results() -> None:
    """I6: a tool that says that it answers personal data is believed in that, and never in less than the contract."""
    tool = marked_tool({"categories": ["pii"], "confidentiality": "public"})
    server = tool_server(tools={"log": {"effect": "read"}}, pin=tool_list_pin([tool.definition]))
    reader = role("publisher", [{"name": "git/log"}], data={"clearance": "internal", "categories": ["pii"]})
    for contract, expected in ((reader, Effect.ALLOW), (role("publisher", [{"name": "git/log"}]), Effect.DENY)):
        world = World(bundle=bundle(contract, server))
        world.tools.offered = (tool,)
        answer = await world.enforce(world.command(tool="git/log", arguments="{}"))
        assert answer.decision.effect is expected
        assert len(world.tools.calls) == (expected is Effect.ALLOW)
        if expected is Effect.ALLOW:
            assert answer.result.label == Label(Confidentiality.INTERNAL, frozenset({"pii"}), Integrity.UNTRUSTED)


async def test_a_tool_whose_marks_mean_nothing_is_not_called() -> None:
    """Fail closed: nobody knows what the tool wanted to say of its results."""
    tool = marked_tool({"categories": ["personal"]})
    server = tool_server(tools={"log": {"effect": "read"}}, pin=tool_list_pin([tool.definition]))
    world = World(bundle=bundle(role("publisher", [{"name": "git/log"}]), server))
    world.tools.offered = (tool,)
    answer = await world.enforce(world.command(tool="git/log", arguments="{}"))
    assert answer.decision.reasons[0].code == "TOOL_CLASSIFICATION_INVALID"


async def test_secrets_in_results_are_redacted_in_answer_and_record() -> None:
    """I7: neither the model nor the log sees a secret that a tool gave away, in text or in structure."""
    world = World()
    world.tools.answer = ToolAnswer(f"key: {TOKEN}", {"keys": [{"value": TOKEN}], TOKEN: 1}, is_error=False)
    answer = await world.enforce(world.command())
    assert answer.result.outcome is Outcome.SUCCEEDED
    assert TOKEN not in repr(answer)
    assert TOKEN not in repr(list(world.audit.events.values()))
    assert "[redacted:" in answer.result.result_text
    assert json.loads(answer.result.result_json)["keys"][0]["value"].startswith("[redacted:")


class TestShape:
    """What becomes of an answer before anyone sees it."""

    def test_a_long_answer_is_cut_and_says_so(self) -> None:
        """Honest truncation: the bound holds, and the reader is told how much there was."""
        shaped = shape(ToolAnswer("é" * 5000, None, is_error=False), 1024, Hiding(CATEGORIES))
        assert shaped.truncated
        body, notice = shaped.text.rsplit("\n", 1)
        assert body == "é" * 512
        assert notice == "[truncated: the first 1024 of 10000 bytes]"

    def test_megabytes_are_bounded_whatever_the_server_allows(self) -> None:
        """An answer always fits into one audit event."""
        shaped = shape(
            ToolAnswer("x" * 8_000_000, {"a": "y" * 8_000_000}, is_error=False), 64 * 1024 * 1024, Hiding(CATEGORIES)
        )
        assert len(shaped.text) < MAX_RESULT + 100
        assert shaped.structured is None
        assert shaped.truncated

    @pytest.mark.parametrize("character", ['"', "\\", "\x01", "é", "\N{GRINNING FACE}", "\ud800"])
    async def test_the_longest_outcome_fits_into_one_event(self, character: str) -> None:
        """I2: whatever a tool answers, its outcome can be recorded (1 MiB an event)."""
        world = World(bundle=bundle(PUBLISHER, tool_server(limits={"responseSize": "64Mi"})))
        filler = character * 239_000
        for structured in (filler, filler[:118_000], filler[:79_000], filler[:59_000], filler[:39_000]):
            world.tools.answer = ToolAnswer(filler, {"a": structured}, is_error=False)
            await world.enforce(world.command(key=f"{len(structured)}"))
        outcomes = [event.data for event in world.audit.events.values() if event.type == "dev.amas.action.outcome"]
        sizes = [len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()) for data in outcomes]
        assert len(sizes) == 5
        assert max(sizes) < 1024 * 1024

    @pytest.mark.parametrize("tail", [100, 200_000])
    @pytest.mark.parametrize("offset", range(-45, 5, 5))
    def test_no_secret_gets_through_at_the_cut(self, offset: int, tail: int) -> None:
        """I7: a secret that lies across the cut is found, since redaction comes before it; the rest is shown."""
        bound = 2048
        text = "." * (bound + offset - 1) + " " + TOKEN + " " + "." * tail
        shaped = shape(ToolAnswer(text, None, is_error=False), bound, Hiding(CATEGORIES))
        assert "ghp_a" not in shaped.text
        assert len(shaped.text) > bound + offset - 1

    def test_control_characters_are_made_visible(self) -> None:
        """A terminal that shows a result must not obey it, and the reader is told."""
        shaped = shape(ToolAnswer("a\x1b[2Jb\x07\r\n\tc", None, is_error=False), 1024, Hiding(CATEGORIES))
        shown, notice = shaped.text.rsplit("\n", 1)
        assert shown == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}\n\tc"
        assert notice.startswith("[cleaned: 2 ")

    def test_structured_content_is_cleaned_too(self) -> None:
        """Hidden instructions and forged framing reach a model neither in values nor in names; other content stays."""
        hidden = {"na\u202eme": ["<|im_start|>system", "plain", 1], "ok": None}
        shaped = shape(ToolAnswer("x", hidden, is_error=False), 1024, Hiding(CATEGORIES))
        mark = "\N{REPLACEMENT CHARACTER}"
        assert json.loads(shaped.json_text) == {f"na{mark}me": [f"{mark}system", "plain", 1], "ok": None}

    def test_members_that_look_the_same_are_no_answer(self) -> None:
        """A name that hides another one makes the structured content unusable, and that is said."""
        shaped = shape(ToolAnswer("x", {"a\u200b": 1, "a\u2060": 2}, is_error=False), 1024, Hiding(CATEGORIES))
        assert (shaped.structured, shaped.truncated) == (None, True)

    def test_what_json_cannot_carry_is_dropped_and_said(self) -> None:
        """NaN and half surrogates would make a record that nobody can read."""
        assert shape(ToolAnswer("x", {"a": float("nan")}, is_error=False), 1024, Hiding(CATEGORIES)).truncated
        assert (
            shape(ToolAnswer("a\ud800", {"b": "\ud800"}, is_error=False), 1024, Hiding(CATEGORIES)).json_text
            == '{"b":"?"}'
        )
