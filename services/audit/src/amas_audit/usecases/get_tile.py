"""Read a tile of hashes, full or as far as it has been filled."""

from __future__ import annotations

from amas_audit.domain.errors import resource_unknown
from amas_audit.domain.tlog_paths import Resource
from amas_audit.ports import LogReader


class GetTile:
    """Tiles hold hashes alone: nothing of what a tenant did can be read out of them."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    async def __call__(self, wanted: Resource) -> bytes:
        """The first `width` hashes of the tile. AmasError RESOURCE_UNKNOWN while the tree has not that many."""
        tile = (wanted.level or 0, wanted.position)
        hashes = (await self._reader.tiles([tile]))[tile]
        if len(hashes) < wanted.width:
            raise resource_unknown()
        return b"".join(hashes[: wanted.width])
