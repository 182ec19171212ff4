"""Promise: a call that a contract allows once happens once, however many replicas are asked at the same moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .gate import Gate, Proposal
from .obedient_desk import ObedientDesk

pytestmark = pytest.mark.e2e
HER = "ada.lindqvist@post.example"
AT_ONCE = 12


def test_a_limit_of_one_holds_over_replicas(replicas: Gate, desk: ObedientDesk) -> None:
    """Two sidecars on one quota store, twelve mails at once under one run: one is sent, the others say why not."""
    mail = Proposal("helpdesk/send_mail", {"to": HER, "subject": "s", "text": "t"}, trusted=(HER,), run="race")
    before = len(desk.state.ledger())
    answers = replicas.at_once([replace(mail, key=f"race/{number}") for number in range(AT_ONCE)])
    assert sum(answer.done for answer in answers) == 1
    assert {answer.codes for answer in answers if not answer.done} == {("QUOTA_EXCEEDED",)}
    assert len(desk.state.ledger()[before:]) == 1
