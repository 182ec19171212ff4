"""Finding whose data which runs saw: policy first, recorded by keys, and the name stands nowhere."""

from __future__ import annotations

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain.model import PageQuery
from amas_gateway.usecases.find_subject import FindSubject

from .fake_services import FakeAudit
from .fakes import PRINCIPALS

AUDITOR = PRINCIPALS["auditor"]
FIRST = PageQuery(0, "")


@pytest.fixture
def audit() -> FakeAudit:
    return FakeAudit()


@pytest.fixture
def find(audit: FakeAudit) -> FindSubject:
    return FindSubject(audit, audit, audit)


async def test_what_was_found_is_on_record_without_the_name(audit: FakeAudit, find: FindSubject) -> None:
    """The record says which keys and how many runs were shown; the name would outlive an erasure."""
    found = await find(AUDITOR, "alice", FIRST)
    assert len(found.runs) == 1
    assert audit.asked == [(AUDITOR.subject, "subject")]
    assert audit.reads == [(AUDITOR.subject, "subject", {"keys": ["k1"]}, 1)]
    await find(AUDITOR, "nobody", FIRST)
    assert audit.reads[-1] == (AUDITOR.subject, "subject", {"keys": []}, 0)


async def test_nothing_is_answered_off_the_record(audit: FakeAudit, find: FindSubject) -> None:
    """I2: without the record there is no answer."""
    audit.down = True
    with pytest.raises(AmasError) as caught:
        await find(AUDITOR, "alice", FIRST)
    assert caught.value.kind is ErrorKind.UNAVAILABLE


async def test_what_policy_refuses_is_not_even_looked_at(audit: FakeAudit, find: FindSubject) -> None:
    """I1: no search without a decision."""
    audit.refusal = AmasError(ErrorKind.PERMISSION_DENIED, "ADMIN_ROLE_MISSING", "no")
    with pytest.raises(AmasError):
        await find(AUDITOR, "alice", FIRST)
    assert audit.reads == []
