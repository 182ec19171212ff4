"""Which checkpoint is shown: never one that too few witnesses have cosigned."""

from __future__ import annotations

import pytest
from amas_audit.domain.model import SignedHead
from amas_audit.usecases.publish_checkpoint import PublishCheckpoint
from amas_chassis.errors import AmasError

from ..fakes import MemoryLog


class Heads(MemoryLog):
    """A log of which heads of two sizes were signed."""

    async def head(self, size: int | None = None) -> SignedHead | None:
        return SignedHead(size or 9, bytes(32), f"signed {size or 9}\n")


class Lines:
    """Cosignatures: as told."""

    def __init__(self, newest: tuple[int, tuple[str, ...]] | None) -> None:
        self._newest = newest

    async def keep(self, size: int, witness: str, key_id: bytes, line: str) -> None:
        raise AssertionError("nothing is kept here")

    async def newest(self, quorum: int) -> tuple[int, tuple[str, ...]] | None:
        return self._newest


async def test_before_a_quorum_nothing_is_shown(signer) -> None:
    """The log's own name alone is not enough, also not at first: what is shown never goes back."""
    with pytest.raises(AmasError) as refused:
        await PublishCheckpoint(Heads(signer), Lines(None), quorum=2)()
    assert refused.value.reason == "CHECKPOINT_NOT_COSIGNED"


async def test_the_newest_with_a_quorum_is_shown_or_without_witnesses_the_newest(signer) -> None:
    """With the witnesses' lines under the log's own."""
    lines = Lines((4, ("a\n", "b\n")))
    assert await PublishCheckpoint(Heads(signer), lines, quorum=2)() == "signed 4\na\nb\n"
    assert await PublishCheckpoint(Heads(signer), lines, quorum=0)() == "signed 9\n"
