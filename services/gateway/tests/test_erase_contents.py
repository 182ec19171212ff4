"""Erasing what is on record of somebody: policy first, and the name stands nowhere."""

from __future__ import annotations

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.usecases.erase_contents import EraseContents

from .fake_services import FakeAudit
from .fakes import PRINCIPALS

ADMIN = PRINCIPALS["admin"]


@pytest.fixture
def audit() -> FakeAudit:
    return FakeAudit()


@pytest.fixture
def erase(audit: FakeAudit) -> EraseContents:
    return EraseContents(audit, audit, audit)


async def test_what_policy_allows_is_erased(audit: FakeAudit, erase: EraseContents) -> None:
    """The answer is what the audit service says."""
    erased = await erase(ADMIN, "alice", dry_run=False)
    assert (erased.contents, erased.event_ids) == (2, ("erased:1",))
    assert audit.erased == [(ADMIN.subject, "alice")]
    assert audit.asked == [(ADMIN.subject, "erasure")]


async def test_a_dry_run_erases_nothing_and_is_on_record_without_the_name(
    audit: FakeAudit, erase: EraseContents
) -> None:
    """Whoever asks how much there is of somebody has read the log."""
    found = await erase(ADMIN, "alice", dry_run=True)
    assert (found.contents, found.event_ids, audit.erased) == (2, (), [])
    assert "alice" not in str(audit.reads)
    assert len(audit.reads) == 1


async def test_what_policy_refuses_is_not_even_looked_at(audit: FakeAudit, erase: EraseContents) -> None:
    """I1: no erasure without a decision, and no word of how much there is."""
    audit.refusal = AmasError(ErrorKind.PERMISSION_DENIED, "ADMIN_ROLE_MISSING", "no")
    for dry_run in (True, False):
        with pytest.raises(AmasError):
            await erase(ADMIN, "alice", dry_run=dry_run)
    assert (audit.erased, audit.reads) == ([], [])
