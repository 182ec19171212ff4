"""The dropping role, taken over, finds no event of another matter that lets it drop a partition."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from amas_audit.adapters.postgres_dropped import BlockOwners
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.dropping import SOURCE, drop_events
from amas_audit.domain.signed_note import NoteSigner

from ..dropping import archiving, dropping
from ..logs import LogDatabase, cut, event, open_log, submission

pytestmark = pytest.mark.integration

DROP = "SELECT audit.drop_partition($1, $2, $3, $4, $5)"
ROOT = bytes(32)
PLACE = "Ärchiv: s3://records/ö"


async def test_a_partition_is_dropped_on_its_own_record_alone(
    pool: Pool, log_database: LogDatabase, signer: NoteSigner, dropper: Pool, tmp_path: Path
) -> None:
    """Neither an event of the only tenant nor the record of the drop before will do; its own does, in any alphabet."""
    await cut(log_database, 256, 256, 1024)
    wired = await open_log(pool, signer)
    await wired.log.append(submission(*(event(n) for n in range(250))))
    await wired.log.append(submission(*(event(n) for n in range(250, 600))))
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="not on record"):
        await dropper.execute(DROP, 0, 256, ROOT, PLACE, "event-599")
    await archiving(pool, wired, signer, tmp_path / "archive")()
    events = drop_events(
        await BlockOwners(pool).tenants(0, 256),
        first=0, past=256, root=ROOT, location=PLACE, time="2026-11-23T10:00:00Z",
    )  # fmt: skip
    await wired.log.append(submission(*events, source=SOURCE))
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="not on record"):
        await dropper.execute(DROP, 0, 256, ROOT, "elsewhere", events[0].id)
    await dropper.execute(DROP, 0, 256, ROOT, PLACE, events[0].id)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="not on record"):
        await dropper.execute(DROP, 256, 512, ROOT, PLACE, events[0].id)
    assert await dropping(pool, wired, signer, tmp_path / "archive", dropper)(days=0, location=PLACE) == 512
