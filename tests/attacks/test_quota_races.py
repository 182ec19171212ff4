"""Promise: what a contract or a quota allows once happens once, and no byte beyond a quota goes out or comes in,
however many replicas are asked at the same moment.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from .gate import Gate, Proposal
from .obedient_desk import ObedientDesk

pytestmark = pytest.mark.e2e
HER = "ada.lindqvist@post.example"
AT_ONCE = 12
WRITES_BYTES = 1200
READS_BYTES = 40 * 1024
FILE_BYTES = 10_000


def test_a_limit_of_one_holds_over_replicas(replicas: Gate, desk: ObedientDesk) -> None:
    """Three sidecars on one quota store, twelve mails at once under one run: one is sent, the others say why not."""
    mail = Proposal("helpdesk/send_mail", {"to": HER, "subject": "s", "text": "t"}, trusted=(HER,), run="race")
    before = len(desk.state.ledger())
    answers = replicas.at_once([replace(mail, key=f"race/{number}") for number in range(AT_ONCE)])
    assert sum(answer.done for answer in answers) == 1
    assert {answer.codes for answer in answers if not answer.done} == {("QUOTA_EXCEEDED",)}
    assert len(desk.state.ledger()[before:]) == 1


def test_no_byte_beyond_a_quota_goes_out(replicas: Gate) -> None:
    """Twelve writes at once, of which four fit: four are made, and the others are told what is left."""
    writes = [{"path": f"race-{number:02}.txt", "content": "x" * 230} for number in range(AT_ONCE)]
    size = len(json.dumps(writes[0], separators=(",", ":")).encode())
    fitting = WRITES_BYTES // size
    assert 1 < fitting < AT_ONCE
    answers = replicas.at_once(
        [
            Proposal("workspace/write_file", arguments, role="measured", run="writes", key=f"writes/{number}")
            for number, arguments in enumerate(writes)
        ]
    )
    assert sum(answer.done for answer in answers) == fitting
    assert {answer.codes for answer in answers if not answer.done} == {("QUOTA_EXCEEDED",)}
    elsewhere = Proposal("workspace/write_file", writes[0], role="measured", run="other writes")
    assert replicas.enforce(elsewhere).done, "the quota is each run's own"


def test_no_byte_beyond_a_quota_comes_in(replicas: Gate) -> None:
    """Twelve reads at once: together they are told no more than the quota, the last one is cut."""
    text = "".join(f"{number:09}\n" for number in range(FILE_BYTES // 10))
    written = replicas.enforce(
        Proposal("workspace/write_file", {"path": "race.txt", "content": text}, role="prober", run="before reads")
    )
    assert written.done, written
    answers = replicas.at_once(
        [
            Proposal("workspace/read_file", {"path": "race.txt"}, role="measured", run="reads", key=f"reads/{number}")
            for number in range(AT_ONCE)
        ]
    )
    done = [answer for answer in answers if answer.done]
    assert 2 <= len(done) < AT_ONCE
    assert sum(answer.size for answer in done) <= READS_BYTES
    assert {answer.codes for answer in answers if not answer.done} == {("QUOTA_EXCEEDED",)}
