"""Promise: an approval is used once, whoever presents it again, wherever, and however many do so at once (I3, I4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .gate import Gate, Proposal, approved
from .obedient_desk import ObedientDesk

pytestmark = pytest.mark.e2e
REPLY = Proposal("helpdesk/reply_to_ticket", {"ticket": "T-1001", "text": "t"}, run="replay")
AT_ONCE = 8


@pytest.fixture(autouse=True)
def ticket(desk: ObedientDesk) -> None:
    """The ticket that is answered."""
    with desk.state.transaction() as change:
        change.put("ticket", "T-1001", {"id": "T-1001", "customer": "C-2001"})


def test_a_second_use_is_refused(gate: Gate, desk: ObedientDesk) -> None:
    """Under another key, the same approval of the same call is worth nothing; under the same key it is the same use."""
    answer = gate.enforce(replace(REPLY, run="replay-1", key="replay-1/ask"))
    grant = approved(answer)
    before = len(desk.state.ledger())
    first = replace(REPLY, run="replay-1", key="replay-1/do", approval=grant)
    assert gate.enforce(first).done
    assert gate.enforce(first).done
    again = gate.enforce(replace(first, key="replay-1/again"))
    assert (again.effect, again.codes) == ("deny", ("APPROVAL_ALREADY_USED",))
    assert len(desk.state.ledger()[before:]) == 1


def test_many_at_once_over_replicas_use_it_once(replicas: Gate, desk: ObedientDesk) -> None:
    """Two sidecars, eight calls at the same moment, one approval: one effect."""
    answer = replicas.enforce(replace(REPLY, run="replay-2", key="replay-2/ask"))
    grant = approved(answer)
    before = len(desk.state.ledger())
    proposals = [replace(REPLY, run="replay-2", key=f"replay-2/{n}", approval=grant) for n in range(AT_ONCE)]
    answers = replicas.at_once(proposals)
    assert sum(answer.done for answer in answers) == 1
    assert {code for answer in answers if not answer.done for code in answer.codes} <= {
        "APPROVAL_ALREADY_USED",
        "QUOTA_EXCEEDED",
    }
    assert len(desk.state.ledger()[before:]) == 1
