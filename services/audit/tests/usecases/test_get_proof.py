from __future__ import annotations

import pytest
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.get_checkpoint import GetCheckpoint
from amas_audit.usecases.get_proof import GetProof
from amas_chassis.errors import AmasError

from ..fakes import MemoryLog
from ..logs import event, submission


@pytest.fixture
async def log(signer: NoteSigner) -> MemoryLog:
    made = MemoryLog(signer)
    await made.append(submission(event(1), event(2, tenant="other")))
    await made.append(submission(event(3)))
    return made


async def test_a_proof_is_against_the_newest_head_unless_asked(log: MemoryLog) -> None:
    """The answer holds the checkpoint that it leads to."""
    newest = await GetProof(log)("acme", 0)
    assert (newest.head.size, len(newest.hashes)) == (3, 2)
    assert newest.head == await GetCheckpoint(log)()
    older = await GetProof(log)("acme", 0, tree_size=2)
    assert (older.head.size, len(older.hashes)) == (2, 1)


@pytest.mark.parametrize(
    ("tenant", "index", "size", "reason"),
    [
        ("acme", 1, 0, "ENTRY_UNKNOWN"),
        ("acme", 9, 0, "ENTRY_UNKNOWN"),
        ("nobody", 0, 0, "ENTRY_UNKNOWN"),
        ("acme", 2, 2, "TREE_TOO_SMALL"),
        ("acme", 0, 1, "CHECKPOINT_UNKNOWN"),
        ("acme", 0, 99, "CHECKPOINT_UNKNOWN"),
    ],
)
async def test_what_cannot_be_proven_is_said(log: MemoryLog, tenant: str, index: int, size: int, reason: str) -> None:
    """I8: another tenant's entry and none at all are the same answer."""
    with pytest.raises(AmasError) as refused:
        await GetProof(log)(tenant, index, size)
    assert refused.value.reason == reason
