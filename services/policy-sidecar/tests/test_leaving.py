"""DLP on what leaves in arguments and on what comes back: allowed, pseudonymised, redacted, held or denied (I1, I7)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_policy_sidecar.domain.model import Effect, Outcome, ToolAnswer

from .manifests import bundle, role, tool_server
from .world import World

# Shaped like a real token, and nobody's.
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
MAIL, CARD = "developer@example.com", "4111 1111 1111 1111"
TOOLS = {"log": {"effect": "read", "idempotent": True}, "commit": {"effect": "write"}}


def world(*, grant: Any = None, data: Any = None, secret: bytes | None = b"k" * 32) -> World:
    """A role that may read and commit."""
    tools = [{"name": "git/log"}, {"name": "git/commit", **({"dlp": grant} if grant else {})}]
    return World(bundle=bundle(role("publisher", tools, data=data or {}), tool_server(tools=TOOLS)), secret=secret)


def message(text: str) -> str:
    return json.dumps({"message": text})


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(TOKEN.encode()).decode(),
        TOKEN.encode().hex(),
        "\u200b".join(TOKEN),
        "".join(f"%{byte:02x}" for byte in TOKEN.encode()),
    ],
)
async def test_an_encoded_secret_does_not_leave_and_is_not_recorded(text: str) -> None:
    """I1: how a secret is written changes nothing."""
    one = world()
    answer = await one.enforce(one.command(arguments=message(f"docs: {text}")))
    assert answer.decision.reasons[0].code == "SECRET_IN_ARGUMENTS"
    assert one.tools.calls == []
    assert json.dumps(text)[1:-1] not in json.dumps(one.audit.data("dev.amas.action.denied"))


async def test_a_secret_that_is_split_over_arguments_does_not_leave() -> None:
    """I1: nor does cutting it in two."""
    one = world()
    arguments = json.dumps({"path": TOKEN[:15], "more": TOKEN[15:]})
    answer = await one.enforce(one.command(tool="git/log", arguments=arguments))
    assert answer.decision.reasons[0].code == "SECRET_IN_ARGUMENTS"
    assert one.tools.calls == []


@pytest.mark.parametrize(
    ("grant", "data", "text", "effect", "sent"),
    [
        ({}, {}, MAIL, Effect.ALLOW, MAIL),
        ({}, {}, CARD, Effect.DENY, None),
        ({}, {"categories": ["pci"]}, CARD, Effect.ALLOW, CARD),
        ({"pii": "redact"}, {}, MAIL, Effect.ALLOW, "[redacted:email]"),
        ({}, {"dlp": {"pii": "redact"}}, MAIL, Effect.ALLOW, "[redacted:email]"),
        ({"pii": "allow"}, {"dlp": {"pii": "deny"}}, MAIL, Effect.ALLOW, MAIL),
        ({"pii": "deny", "detectors": {"email": "allow"}}, {}, MAIL, Effect.ALLOW, MAIL),
        ({"secret": "redact"}, {}, TOKEN, Effect.ALLOW, "[redacted:github-token]"),
        ({"pii": "deny"}, {}, MAIL, Effect.DENY, None),
    ],
)
async def test_the_contract_says_what_is_done(grant: Any, data: Any, text: str, effect: Effect, sent: str) -> None:
    """The detector before its category, the grant before the role, and what is not said by what the role may see."""
    one = world(grant=grant, data=data)
    answer = await one.enforce(one.command(arguments=message(f"docs: {text}")))
    assert answer.decision.effect is effect
    assert one.tools.calls == ([] if sent is None else [("commit", {"message": f"docs: {sent}"})])


async def test_what_leaves_changed_is_not_on_record_as_it_was() -> None:
    """The record says that something was redacted, and does not hold it."""
    one = world(grant={"pii": "redact"})
    await one.enforce(one.command(arguments=message(f"docs: {MAIL}")))
    data = one.audit.data("dev.amas.action.intent")
    assert data["argumentsRedacted"] is True
    assert data["findings"] == {"pii/email": 1}
    assert MAIL not in json.dumps(data)


async def test_what_the_tool_would_not_take_redacted_does_not_leave_at_all() -> None:
    """A redaction never gets a call past the contract."""
    narrowed = {"properties": {"message": {"type": "string", "pattern": "^docs: [a-z.@]+$"}}}
    grant = {"name": "git/commit", "arguments": narrowed, "dlp": {"pii": "redact"}}
    one = World(bundle=bundle(role("publisher", [grant]), tool_server(tools=TOOLS)))
    answer = await one.enforce(one.command(arguments=message(f"docs: {MAIL}")))
    assert answer.decision.reasons[0].code == "ARGUMENTS_INVALID"
    assert one.tools.calls == []


async def test_policies_see_what_is_held() -> None:
    """`hold` is for policy to turn into a question, so that an approval is bound as any other."""
    one = world(grant={"pii": "hold"})
    await one.enforce(one.command(arguments=message(f"docs: {MAIL}")))
    (document,) = one.engine.documents
    assert document["action"]["dlp"] == {"denied": [], "held": ["pii/email"], "changed": []}


async def test_a_chain_takes_the_strictest_word() -> None:
    """A delegate carries out nothing that its caller may not."""
    grant = {"name": "git/commit", "dlp": {"pii": "allow"}}
    inner = role("publisher", [grant])
    outer = role("lead", [{"name": "git/commit", "dlp": {"pii": "deny"}}], delegates=["publisher"])
    one = World(bundle=bundle(inner, outer, tool_server(tools=TOOLS)))
    answer = await one.enforce(one.command(arguments=message(f"docs: {MAIL}"), delegated_by=("lead",)))
    assert answer.decision.reasons[0].code == "SENSITIVE_ARGUMENTS"


async def test_a_role_sees_of_an_answer_only_what_it_is_cleared_for() -> None:
    """I6, I7: what the role may not see is redacted; what it may see rises into the label."""
    for categories, shown in (([], "[redacted:email]"), (["pii"], MAIL)):
        one = world(data={"categories": categories})
        one.tools.answer = ToolAnswer(f"from {MAIL}", {"from": MAIL}, is_error=False)
        answer = await one.enforce(one.command(arguments=message("docs: x")))
        assert answer.result.outcome is Outcome.SUCCEEDED
        assert answer.result.result_text == f"from {shown}"
        assert json.loads(answer.result.result_json) == {"from": shown}
        assert answer.result.label.categories == frozenset(categories)


async def test_a_pseudonym_goes_to_the_model_and_the_value_to_the_tool_that_may_have_it() -> None:
    """The agent works with a person whose address it never sees; only a grant that allows it undoes the token."""
    one = world(data={"uncleared": "pseudonymise", "dlp": {"pii": "redact"}}, grant={"pii": "allow"})
    one.tools.answer = ToolAnswer(f"from {MAIL}", None, is_error=False)
    first = await one.enforce(one.command(tool="git/log", arguments="{}", key="1"))
    token = first.result.result_text.removeprefix("from ")
    assert token.startswith("<EMAIL:")
    assert MAIL not in repr(first)
    await one.enforce(one.command(arguments=message(f"docs: {token}"), key="2"))
    assert one.tools.calls[-1] == ("commit", {"message": f"docs: {MAIL}"})
    # The other tool has no such grant: it gets the token, which tells it nothing.
    await one.enforce(one.command(tool="git/log", arguments=json.dumps({"path": token}), key="3"))
    assert one.tools.calls[-1] == ("log", {"path": token})


async def test_pseudonyms_in_arguments_are_the_runs_own() -> None:
    """Stable within a run, another in the next."""
    sent = []
    for number, run in enumerate(("run-1", "run-1", "run-2")):
        one = world(grant={"pii": "pseudonymise"})
        await one.enforce(one.command(arguments=message(f"docs: {MAIL}"), key=f"{number}", run_id=run))
        sent.append(one.tools.calls[0][1]["message"])
    assert sent[0] == sent[1] != sent[2]
    assert all("<EMAIL:" in text and MAIL not in text for text in sent)


async def test_without_a_secret_what_would_get_a_pseudonym_is_redacted() -> None:
    """Fail closed: a missing key lets nothing out."""
    one = world(grant={"pii": "pseudonymise"}, data={"uncleared": "pseudonymise"}, secret=None)
    one.tools.answer = ToolAnswer(MAIL, None, is_error=False)
    answer = await one.enforce(one.command(arguments=message(f"docs: {MAIL}")))
    assert one.tools.calls == [("commit", {"message": "docs: [redacted:email]"})]
    assert answer.result.result_text == "[redacted:email]"


async def test_a_label_that_the_answer_raises_is_not_above_the_role() -> None:
    """I6: whatever a tool answers, the join is something that the role may see."""
    one = world(data={"clearance": "internal", "categories": ["pii", "phi"]})
    one.tools.answer = ToolAnswer(f"{MAIL} {CARD} 1EG4-TE5-MK73", None, is_error=False)
    answer = await one.enforce(one.command(arguments=message("docs: x")))
    assert answer.result.label == Label(Confidentiality.INTERNAL, frozenset({"pii", "phi"}), Integrity.UNTRUSTED)
    assert CARD not in answer.result.result_text
