"""Promise: between decision, approval and call nothing is exchanged: what is done is what was shown (I3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from .gate import Answer, Gate, Proposal, approved
from .obedient_desk import ObedientDesk

pytestmark = pytest.mark.e2e
MAIL = {"to": "someone@else.example", "subject": "s", "text": "t"}
ASKED = Proposal("helpdesk/send_mail", MAIL)


@pytest.fixture
def untouched(desk: ObedientDesk) -> Iterator[None]:
    """Nothing is done in the course of the test."""
    before = len(desk.state.ledger())
    yield
    assert desk.state.ledger()[before:] == []


def ask(gate: Gate, run: str) -> tuple[Proposal, Answer]:
    """A call that was escalated, and the answer that a person was shown."""
    asked = replace(ASKED, run=run, key=f"{run}/ask")
    answer = gate.enforce(asked)
    assert answer.effect == "escalate"
    return asked, answer


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {**MAIL, "to": "collector@drop.invalid"}},
        {"arguments": {**MAIL, "text": "t "}},
        {"arguments": {**MAIL, "text": "T"}},
        {"run": "another-run"},
        {"tool": "helpdesk/reply_to_ticket", "arguments": {"ticket": "T-1001", "text": "t"}},
    ],
    ids=["recipient", "a space", "a letter", "run", "tool"],
)
def test_what_was_approved_cannot_be_exchanged(
    gate: Gate, change: dict[str, object], request: pytest.FixtureRequest
) -> None:
    """An approval of one call is worth nothing for any other."""
    asked, answer = ask(gate, f"toctou-{request.node.callspec.id}")
    done = gate.enforce(replace(asked, key=f"{asked.run}/do", approval=approved(answer), **change))  # type: ignore[arg-type]
    assert (done.effect, done.codes) == ("deny", ("APPROVAL_OTHER_ACTION",))


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_at": datetime.now(UTC) - timedelta(seconds=1)}, "APPROVAL_EXPIRED"),
        ({"bundle": "sha256:" + "0" * 64}, "APPROVAL_OTHER_BUNDLE"),
        ({"approvers": ["developer"], "approver_groups": ["developer:approvers"]}, "APPROVAL_BY_REQUESTER"),
        ({"approver_groups": ["support-lead:release-managers"]}, "APPROVAL_WRONG_GROUP"),
        ({"approvers": []}, "APPROVAL_QUORUM_MISSING"),
    ],
)
def test_an_approval_is_held_against_clock_bundle_and_people(gate: Gate, changes: dict[str, object], code: str) -> None:
    """Too late, under other contracts, by oneself, by the wrong people or by nobody: refused at the call."""
    asked, answer = ask(gate, f"toctou-{code}")
    done = gate.enforce(replace(asked, key=f"{asked.run}/do", approval=approved(answer, **changes)))
    assert (done.effect, done.codes) == ("deny", (code,))


def test_the_very_same_call_is_done(gate: Gate, desk: ObedientDesk) -> None:
    """The checks refuse what was exchanged, and nothing else."""
    asked, answer = ask(gate, "toctou-same")
    before = len(desk.state.ledger())
    assert gate.enforce(replace(asked, key="toctou-same/do", approval=approved(answer))).done
    assert [effect.arguments for effect in desk.state.ledger()[before:]] == [MAIL]
