"""The log's key is changed in the middle of a stream of appends, by a real process that nobody restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from amas.audit.v1 import audit_pb2
from amas_audit.adapters.postgres_pool import Pool
from amas_cli.audit_trail import KeyRing, NoteRefusedError, Verdict, verify
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.tlogs import LogKey

from .independent import Independent
from .logs import LogDatabase
from .processes import AuditProcess, Caller, poll, request
from .tlog_client import tlog_client

pytestmark = pytest.mark.integration

OLD, NEW = LogKey(1), LogKey(2)


def write_keys(file: Path, *keys: LogKey) -> None:
    """Put a file of keys in the place of the last one, whole, as a mounted secret is."""
    content = b"".join(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys)
    fresh = file.with_suffix(".fresh")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(file)


@asynccontextmanager
async def appending(service: AuditProcess) -> AsyncIterator[list[int]]:
    """Appends one event after another; the indexes that were acknowledged."""
    acknowledged: list[int] = []
    caller = Caller.of(service, "orchestrator")

    async def work() -> None:
        while True:
            answer = await caller.stub.Append(request(len(acknowledged)))
            acknowledged.append(answer.events[0].index)

    task = asyncio.create_task(work())
    try:
        yield acknowledged
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait([task])
        await caller.close()


async def test_a_key_is_changed_in_the_middle_of_a_stream(
    log_database: LogDatabase, certificates: Any, tmp_path: Path, pool: Pool
) -> None:
    """I9: no append fails, every checkpoint is signed by a key that is valid at its size, and others agree."""
    file = tmp_path / "keys.pem"
    write_keys(file, OLD)
    service = AuditProcess(log_database, certificates, file, tmp_path / "log")
    await service.start()
    try:
        async with tlog_client(service) as client, appending(service) as acknowledged:

            async def note() -> str:
                return (await client.ask("/checkpoint")).body.decode()

            async def signed_by(*keys: LogKey) -> int:
                """Waits until a checkpoint with these signers, and something appended under it, is served; its size."""
                ring = KeyRing.parse("\n".join(key.verifier for key in (OLD, NEW)))

                async def reached() -> bool:
                    opened = ring.open(await note())
                    return {str(key) for key in opened.signed_by} == {key.verifier for key in keys}

                await poll(reached, pause=0.05)
                size = ring.open(await note()).checkpoint.size

                async def grown() -> bool:
                    return len(acknowledged) > size + 20

                await poll(grown, pause=0.01)
                return size

            await signed_by(OLD)
            file.write_bytes(b"half a file")
            before = await signed_by(OLD)
            write_keys(file, NEW, OLD)
            await signed_by(NEW, OLD)
            independent = Independent(certificates)
            for keys, signers in (([OLD.verifier], 1), ([NEW.verifier], 1), ([OLD.verifier, NEW.verifier], 2)):
                answer = await independent.check("note", service.tlog_url, keys)
                assert (answer["ok"], answer["signers"]) == (True, signers)
            export = await _export(service, tmp_path / "export")
            for keys in ([OLD.verifier], [NEW.verifier]):
                assert verify(export, "\n".join(keys)).verdict is not Verdict.FAILED
            write_keys(file, NEW)
            alone = await signed_by(NEW)
        assert acknowledged == list(range(len(acknowledged)))

        # The old key's last tree is at or before the first one that was seen without it.
        ring = KeyRing.parse(f"{OLD.verifier} until={alone}\n{NEW.verifier} from={before}")
        rows = await pool.fetch("SELECT size, note FROM audit.checkpoint ORDER BY size, signed_at")
        for row in rows:
            assert ring.open(row["note"]).checkpoint.size == row["size"]
        # Nothing was signed by nobody: a checkpoint for each commit, and a new one of the old size for each change.
        assert {row["size"] for row in rows} >= set(range(1, len(acknowledged)))
        with pytest.raises(NoteRefusedError):
            KeyRing.parse(OLD.verifier).open(await _newest(pool))
    finally:
        await service.kill()


async def test_a_log_at_rest_is_signed_by_the_new_key_too(
    log_database: LogDatabase, certificates: Any, tmp_path: Path
) -> None:
    """Holders of the new key alone need not wait for the next event."""
    file = tmp_path / "keys.pem"
    write_keys(file, OLD)
    service = AuditProcess(log_database, certificates, file, tmp_path / "log")
    await service.start()
    try:
        caller = Caller.of(service, "orchestrator")
        await caller.stub.Append(request(*range(10)))
        await caller.close()
        write_keys(file, NEW, OLD)
        ring = KeyRing.parse(NEW.verifier)
        async with tlog_client(service) as client:

            async def reached() -> bool:
                try:
                    return ring.open((await client.ask("/checkpoint")).body.decode()).checkpoint.size == 10
                except NoteRefusedError:
                    return False

            await poll(reached, pause=0.05)
    finally:
        await service.kill()


async def _newest(pool: Pool) -> str:
    return str(await pool.fetchval("SELECT note FROM audit.checkpoint ORDER BY size DESC, signed_at DESC LIMIT 1"))


async def _export(service: AuditProcess, target: Path) -> Path:
    caller = Caller.of(service, "gateway")
    chunks = [chunk.data async for chunk in caller.stub.Export(audit_pb2.ExportRequest(tenant="acme", run_id="run-1"))]
    await caller.close()
    return _saved(target, b"".join(chunks))


def _saved(target: Path, content: bytes) -> Path:
    target.write_bytes(content)
    return target
