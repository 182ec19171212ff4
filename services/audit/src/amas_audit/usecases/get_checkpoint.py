"""The newest signed head of the tree."""

from __future__ import annotations

from amas_audit.domain.errors import checkpoint_unknown
from amas_audit.domain.model import SignedHead
from amas_audit.ports import LogReader


class GetCheckpoint:
    """Answers what the newest commit signed, so that every acknowledged entry is under it."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    async def __call__(self) -> SignedHead:
        """The head. AmasError CHECKPOINT_UNKNOWN if the log was never opened with this key."""
        head = await self._reader.head()
        if head is None:
            raise checkpoint_unknown()
        return head
