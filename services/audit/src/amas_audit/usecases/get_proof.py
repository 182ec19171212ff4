"""Prove that one entry of a tenant is in the signed tree."""

from __future__ import annotations

from amas_audit.domain.errors import checkpoint_unknown, entry_unknown, tree_too_small
from amas_audit.domain.model import InclusionProof
from amas_audit.ports import LogReader
from amas_audit.usecases.prove_inclusion import prove_inclusion


class GetProof:
    """Proves against the newest head, or against an older one that was signed."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    async def __call__(self, tenant: str, index: int, tree_size: int = 0) -> InclusionProof:
        """The proof. AmasError ENTRY_UNKNOWN, CHECKPOINT_UNKNOWN or TREE_TOO_SMALL."""
        if not await self._reader.holds(tenant, index):
            raise entry_unknown()
        if tree_size and tree_size <= index:
            raise tree_too_small()
        # Read after the entry was seen: an entry and the head over it are committed together.
        head = await self._reader.head(tree_size or None)
        if head is None:
            raise checkpoint_unknown()
        return (await prove_inclusion(self._reader, [index], head))[0]
