"""Archives and drops as a process that kills itself at one point; only tests run it.

Arguments: the point, the folder, and the URLs of the service's role and of the dropping one, with passwords, on stdin.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from amas_audit.adapters.archive_folder import ArchiveFolder
from amas_audit.adapters.group_commit import GroupCommit
from amas_audit.adapters.postgres_dropped import PostgresDropper
from amas_audit.adapters.postgres_pool import open_pool
from amas_audit.domain.model import Appended, Submission
from amas_audit.domain.signed_note import NoteSigner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ..dropping import LOCATION, dropping
from ..logs import open_log

# Before a file was synced, before and after it is on record, with the drop sent and not answered, and after it.
POINTS = ("verify", "record.before", "record.after", "drop.before", "drop.sent", "drop.after")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingLog:
    """Appends, and dies before or after."""

    def __init__(self, log: GroupCommit, point: str) -> None:
        self._log = log
        self._point = point

    async def append(self, submission: Submission) -> tuple[Appended, ...]:
        if self._point == "record.before":
            _die()
        answer = await self._log.append(submission)
        if self._point == "record.after":
            _die()
        return answer


class DyingDropper:
    """Drops, and dies before, while it waits for the answer, or after."""

    def __init__(self, dropper: PostgresDropper, point: str) -> None:
        self._dropper = dropper
        self._point = point

    async def drop(self, first: int, past: int, *, root: bytes, location: str, event_id: str) -> None:
        if self._point == "drop.before":
            _die()
        under_way = asyncio.ensure_future(
            self._dropper.drop(first, past, root=root, location=location, event_id=event_id)
        )
        if self._point == "drop.sent":
            for _ in range(3):
                await asyncio.sleep(0)
            _die()
        await under_way
        if self._point == "drop.after":
            _die()


async def main(point: str, folder: Path, origin: str) -> None:
    """Drop everything that is archived, or die on the way."""
    service_dsn, dropper_dsn = sys.stdin.read().split()
    signer = NoteSigner(origin, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    pool = await open_pool(service_dsn, connections=2, start_timeout=60)
    dropper = await open_pool(dropper_dsn, connections=1, start_timeout=60)
    wired = await open_log(pool, signer)
    if point == "verify":
        ArchiveFolder.secure = lambda *_: _die()  # type: ignore[method-assign]
    verb = dropping(
        pool, wired, signer, folder, DyingDropper(PostgresDropper(dropper), point), DyingLog(wired.log, point)
    )
    await verb(days=0, location=LOCATION)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
