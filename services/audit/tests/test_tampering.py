"""A log of a real process, copied and tampered with: our verifier and those of others find each of it (I9)."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from amas_cli.audit_log import FolderSource, HttpSource, LogCheck, check_consistency, check_log, mirror_log
from amas_cli.audit_trail import KeyRing
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.tlogs import LogKey, checkpoint, entries_in, lay_out, leaf, tamperings

from .independent import Independent
from .logs import LogDatabase
from .processes import AuditProcess, Caller, request, write_signing_key

# Two programs of others look at each tampering.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ENTRIES = 700


@pytest.fixture
def independent(certificates: Any) -> Independent:
    """The programs of others."""
    return Independent(certificates)


@pytest.fixture
def key(tmp_path: Path) -> LogKey:
    """The key that the service signs with."""
    private: Any = load_pem_private_key(write_signing_key(tmp_path / "key.pem").read_bytes(), None)
    return LogKey(private=private)


@pytest.fixture
async def copy(log_database: LogDatabase, certificates: Any, tmp_path: Path, key: LogKey) -> Path:
    """A copy of the log of a process, with an older checkpoint of it as `older`."""
    service = AuditProcess(log_database, certificates, tmp_path / "key.pem", tmp_path / "log")
    await service.start()
    files = certificates.files("auditor")
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    caller = Caller.of(service, "orchestrator")
    folder = tmp_path / "copy"
    keys = KeyRing.parse(key.verifier)
    try:
        for start in range(0, ENTRIES, 100):
            await caller.stub.Append(request(*range(start, start + 100)))
            source = HttpSource(service.tlog_url, context)
            live = await asyncio.to_thread(check_log, source, LogCheck(keys))
            assert live.verified, live.findings
            assert live.entries == start + 100
            if start == 200:
                (tmp_path / "older").write_text(live.checkpoint)
            size = await asyncio.to_thread(mirror_log, source, folder, keys, lambda _done, _all: None)
            assert size == start + 100
            source.close()
    finally:
        await caller.close()
        await service.kill()
    return folder


Judges = Callable[[Path], Awaitable[tuple[bool, bool]]]


@pytest.fixture
def judges(independent: Independent, key: LogKey) -> Judges:
    """Whether a log holds, by our verifier, and by both of the others."""

    async def judged(folder: Path) -> tuple[bool, bool]:
        ours = await asyncio.to_thread(check_log, FolderSource(folder), LogCheck(KeyRing.parse(key.verifier)))
        theirs = [await independent.check(check, folder, [key.verifier]) for check in ("fsck", "records")]
        return ours.verified, all(answer["ok"] for answer in theirs)

    return judged


async def test_every_tampering_is_found_by_us_and_by_others(copy: Path, tmp_path: Path, judges: Judges) -> None:
    """A byte, an entry, a tile, a signature: nothing can be changed unseen by who has the public key."""
    assert await judges(copy) == (True, True)
    unseen = {}
    for name, tamper in tamperings(ENTRIES).items():
        tampered = tmp_path / "tampered"
        shutil.copytree(copy, tampered)
        tamper(tampered)
        if (verdicts := await judges(tampered)) != (False, False):
            unseen[name] = verdicts
        shutil.rmtree(tampered)
    assert not unseen


async def test_a_fork_shown_to_two_readers_is_found(
    copy: Path, tmp_path: Path, judges: Judges, key: LogKey, independent: Independent
) -> None:
    """Whoever has key and database can write another past: it holds alone, and falls beside what another was shown."""
    genuine = entries_in(copy)
    assert len(genuine) == ENTRIES
    forged = genuine.copy()
    forged[42] = leaf(42, sequence=43)
    fork = lay_out(tmp_path / "fork", [*forged, leaf(ENTRIES)], key)
    assert await judges(fork) == (True, True)

    keys = KeyRing.parse(key.verifier)
    shown = checkpoint(genuine, key)
    assert shown == (copy / "checkpoint").read_text()
    for older in (tmp_path / "older", copy / "checkpoint"):
        ours = await asyncio.to_thread(
            check_consistency, FolderSource(fork), keys, older.read_text(), (fork / "checkpoint").read_text()
        )
        assert not ours.verified
        assert not (await independent.check("consistency", fork, [key.verifier], "-from", older))["ok"]
        seen = LogCheck(keys, last_seen=keys.open(older.read_text()))
        assert not (await asyncio.to_thread(check_log, FolderSource(fork), seen)).verified
        # The genuine log goes on from both.
        assert (await independent.check("consistency", copy, [key.verifier], "-from", older))["ok"]
        assert (await asyncio.to_thread(check_log, FolderSource(copy), seen)).verified


async def test_a_truncated_log_with_a_genuine_checkpoint_is_found_by_who_saw_more(
    copy: Path, tmp_path: Path, key: LogKey, independent: Independent
) -> None:
    """A rollback is a genuine log of yesterday: only a reader who keeps what was seen can tell."""
    rolled = tmp_path / "rolled"
    shutil.copytree(copy, rolled)
    (rolled / "checkpoint").write_text((tmp_path / "older").read_text())
    keys = KeyRing.parse(key.verifier)
    assert (await asyncio.to_thread(check_log, FolderSource(rolled), LogCheck(keys))).verified
    seen = LogCheck(keys, last_seen=keys.open((copy / "checkpoint").read_text()))
    assert not (await asyncio.to_thread(check_log, FolderSource(rolled), seen)).verified
    answer = await independent.check("consistency", rolled, [key.verifier], "-from", copy / "checkpoint")
    assert not answer["ok"]
