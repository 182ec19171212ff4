"""Which checkpoint is shown to those who follow the log: the newest that enough witnesses have cosigned.

Without witnesses it is the newest. With some, nothing newer is shown while they are away, and nothing at all before
enough of them have cosigned once: whoever demands their names can always verify what is served, and it never goes back.
"""

from __future__ import annotations

from amas_audit.domain.errors import checkpoint_not_cosigned, checkpoint_unknown
from amas_audit.ports import Cosignatures, LogReader


class PublishCheckpoint:
    """Puts the witnesses' lines under the log's own."""

    def __init__(self, reader: LogReader, cosignatures: Cosignatures, *, quorum: int) -> None:
        self._reader = reader
        self._cosignatures = cosignatures
        self._quorum = quorum

    async def __call__(self) -> str:
        """The note.

        AmasError CHECKPOINT_UNKNOWN if the log was never opened, CHECKPOINT_NOT_COSIGNED before a quorum.
        """
        cosigned = await self._cosignatures.newest(self._quorum) if self._quorum else None
        if self._quorum and cosigned is None:
            raise checkpoint_not_cosigned(self._quorum)
        head = await self._reader.head(cosigned[0] if cosigned else None)
        if head is None:
            raise checkpoint_unknown()
        return head.note + "".join(cosigned[1] if cosigned else ())
