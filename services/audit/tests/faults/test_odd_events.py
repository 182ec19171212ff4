"""Events that are too large, and clocks that step back: refused with a reason; without influence on the order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.model import EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.append_events import MAX_DATA_BYTES

from ..logs import LogDatabase, event, open_log, submission
from ..processes import INTENT, SAMPLES, AuditProcess, Caller, request, write_signing_key
from .lives import Witness

pytestmark = pytest.mark.integration

MEGABYTES = 1 << 20


async def test_an_event_of_many_megabytes_is_refused_and_nothing_is_written(
    log_database: LogDatabase, certificates: Any, tmp_path: Path
) -> None:
    """I11: 10 MB break the contract's bound, 25 MB the transport's; the same service takes the next append."""
    service = AuditProcess(log_database, certificates, write_signing_key(tmp_path / "key.pem"), tmp_path / "log")
    await service.start()
    caller = Caller.of(service, "orchestrator")
    try:
        for size, code in (
            (10 * MEGABYTES, grpc.StatusCode.INVALID_ARGUMENT),
            (25 * MEGABYTES, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ):
            large = request("large", data_json='{"text":"%s"}' % ("x" * size))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await caller.stub.Append(large)
            assert refused.value.code() is code
        # The last byte that fits, and the first that does not, of the canonical form.
        sample = json.loads(SAMPLES[INTENT]) | {"findings": {"text": "x"}}
        fits = json.dumps(sample, separators=(",", ":"))
        fits = fits.replace('"x"', '"x%s"' % ("x" * (MAX_DATA_BYTES - len(fits))))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.stub.Append(request("large", data_json=fits.replace('"x', '"xx', 1)))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        answer = await caller.stub.Append(request("large", data_json=fits))
        assert answer.events[0].index == 0
    finally:
        await caller.close()
        await service.kill()


async def test_clocks_that_step_back_change_no_order(pool: Pool, log_database: LogDatabase, signer: NoteSigner) -> None:
    """Order is the order of arrival, and the newest head is the largest, whatever the senders' or the database's clock
    says: no time is part of what is signed."""
    owner = await asyncpg.connect(log_database.owner_dsn)
    reading = await asyncpg.connect(log_database.service_dsn)
    try:
        wired = await open_log(pool, signer)
        await wired.log.append(submission(event(0, time="2026-11-28T10:00:00Z")))
        step_back = (
            "ALTER TABLE audit.checkpoint ALTER COLUMN signed_at SET DEFAULT clock_timestamp() - interval '1 day'"
        )
        await owner.execute(step_back)
        await wired.log.append(submission(event(1, time="2026-11-27T10:00:00Z")))
        again = await open_log(pool, signer)
        await again.log.append(submission(event(2, time="1970-01-01T00:00:00Z")))
        head = await again.reader.head()
        assert head is not None
        assert head.size == 3
        assert await owner.fetchval("SELECT size FROM audit.checkpoint ORDER BY signed_at DESC LIMIT 1") == 1
        page = await again.reader.entries(EventFilter("acme"), start=0, end=None, limit=9, max_bytes=MEGABYTES)
        assert [(entry.index, entry.run_sequence) for entry in page.entries] == [(0, 1), (1, 2), (2, 3)]
        await Witness(reading, signer.verifier).look({"event-0": 0, "event-1": 1, "event-2": 2})
    finally:
        await owner.close()
        await reading.close()
