"""Where values stem from: what policy is told of sensitive arguments, and when an answer is trusted (invariant I6)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_governance.provenance import TrustedValues
from amas_policy_sidecar.domain.model import Effect, ToolAnswer

from .fakes import REQUIREMENT
from .manifests import COMMIT, bundle, role, tool_server
from .world import World

TAINTED = Label(Confidentiality.INTERNAL, frozenset(), Integrity.UNTRUSTED)
KNOWN = TrustedValues.of(["docs: notes", "src/main.py"])
VOUCHED = {"integrity": "trusted", "confidentiality": "internal"}


def world(grant: dict[str, Any] | None = None, **tool: Any) -> World:
    """A publisher with one commit grant; `tool` is said of the tool `commit`."""
    tools = {"log": {"effect": "read", "idempotent": True}, "commit": {"effect": "write", **tool}}
    server = tool_server(tools=tools, results=VOUCHED)
    return World(bundle=bundle(role("publisher", [{"name": "git/log"}, {**COMMIT, **(grant or {})}]), server))


def told(made: World) -> Any:
    """What policy was told of the sensitive arguments of the only call."""
    return made.engine.documents[-1]["action"]["sensitive"]


@pytest.mark.parametrize(
    ("label", "trusted", "expected"),
    [
        (TAINTED, KNOWN, True),
        (TAINTED, TrustedValues.NONE, False),
        (TAINTED, TrustedValues.of(["docs: other"]), False),
        (Label(Confidentiality.INTERNAL), TrustedValues.NONE, True),
    ],
)
async def test_policy_is_told_whether_an_argument_is_traced(
    label: Label, trusted: TrustedValues, expected: bool
) -> None:
    """I6: the fact comes from the sidecar's own comparison; without any word on origins, nothing is trusted."""
    made = world()
    await made.enforce(made.command(label=label, trusted=trusted))
    assert told(made) == [{"path": "message", "trusted": expected}]


async def test_a_declaration_narrows_what_is_sensitive() -> None:
    """A tool server says which arguments decide where an effect goes."""
    made = world(sensitive=[])
    await made.enforce(made.command(label=TAINTED))
    assert told(made) == []


async def test_an_argument_that_a_contract_fixes_is_trusted() -> None:
    """The contract's own words are nobody else's."""
    made = world({"arguments": {"properties": {"message": {"const": "docs: weekly"}}}})
    await made.enforce(made.command(label=TAINTED, arguments='{"message":"docs: weekly"}'))
    assert told(made) == [{"path": "message", "trusted": True}]


async def test_the_strictest_stance_of_a_chain_holds() -> None:
    """Confused deputy: who delegates keeps its stance, whatever the delegate's contract allows."""
    order = ["deny", "escalate", "trustedArguments", "allow"]
    for outer in order:
        for inner in order:
            caller = role("caller", [{**COMMIT, "untrusted": outer}], delegates=["publisher"])
            made = World(bundle=bundle(caller, role("publisher", [{**COMMIT, "untrusted": inner}]), tool_server()))
            await made.enforce(made.command(delegated_by=("caller",), label=TAINTED))
            assert made.engine.documents[-1]["grant"]["untrusted"] == min(outer, inner, key=order.index)


@pytest.mark.parametrize(
    ("label", "arguments", "expected"),
    [
        (Label(Confidentiality.INTERNAL), {"path": "any/thing"}, True),
        (TAINTED, {"path": "src/main.py"}, True),
        (TAINTED, {"path": "etc/passwd"}, False),
        (TAINTED, {"path": "src/main.py", "count": 4000}, False),
        (TAINTED, {}, True),
    ],
)
async def test_an_answer_is_trusted_if_the_tool_and_the_question_are(
    label: Label, arguments: dict[str, Any], expected: bool
) -> None:
    """I6: a tool that the contract vouches for, asked with an attacker's values, answers what the attacker chose."""
    made = world()
    answer = await made.enforce(
        made.command(tool="git/log", arguments=json.dumps(arguments), label=label, trusted=KNOWN)
    )
    assert answer.result.trusted is expected
    assert label.flows_to(answer.result.label)


async def test_an_answer_of_a_tool_that_nobody_vouches_for_is_not_trusted() -> None:
    """Silence of a contract is untrusted."""
    made = World()
    answer = await made.enforce(made.command(tool="git/log", arguments="{}"))
    assert answer.result.trusted is False


async def test_a_replayed_answer_is_as_trusted_as_the_first() -> None:
    """I4: after a restart the same key brings the same answer, with the same origin."""
    made = world()
    made.tools.answer = ToolAnswer("x", {"a": "b"}, is_error=False)
    first = await made.enforce(made.command(tool="git/log", arguments="{}"))
    made.restart()
    second = await made.enforce(made.command(tool="git/log", arguments="{}"))
    assert (second.replayed, second.result.trusted) == (True, first.result.trusted)


async def test_what_is_recorded_says_how_each_argument_was_judged() -> None:
    """I10: the record of an escalation holds the facts that policy decided on."""
    made = world()
    made.engine.answer = lambda document: {
        "effect": "escalate",
        "reasons": [{"code": "ARGUMENTS_UNTRUSTED", "message": "untraced"}],
        "obligations": [],
        "approval": REQUIREMENT,
    }
    answer = await made.enforce(made.command(label=TAINTED))
    assert answer.decision.effect is Effect.ESCALATE
    data = made.audit.data("dev.amas.action.escalated")
    assert data["input"]["action"]["sensitive"] == [{"path": "message", "trusted": False}]
