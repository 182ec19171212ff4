"""Read a bundle of entries: the leaves of all tenants, for a reader who may see them all."""

from __future__ import annotations

from amas_audit.domain.errors import entry_too_long, resource_unknown
from amas_audit.domain.tlog_paths import Resource, bundle
from amas_audit.ports import LeafReader


class GetEntries:
    """It asks nobody who reads: whoever calls it has made sure of that (I8)."""

    def __init__(self, leaves: LeafReader) -> None:
        self._leaves = leaves

    async def __call__(self, wanted: Resource) -> bytes:
        """The first `width` entries of the bundle. AmasError RESOURCE_UNKNOWN while there are fewer."""
        leaves = await self._leaves.leaves(wanted.start, wanted.start + wanted.width)
        if len(leaves) < wanted.width:
            raise resource_unknown()
        try:
            return bundle(leaves)
        except ValueError as error:
            raise entry_too_long() from error
