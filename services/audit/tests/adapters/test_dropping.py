"""Archived partitions are dropped, and nothing becomes wrong or silently shorter by it."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from amas_audit.adapters.postgres_cosignatures import PostgresCosignatures
from amas_audit.adapters.postgres_dropped import PostgresDropper
from amas_audit.adapters.postgres_eraser import PostgresEraser
from amas_audit.adapters.postgres_leaves import PostgresLeaves
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.adapters.postgres_reader import PostgresReader
from amas_audit.adapters.postgres_subjects import PostgresSubjects
from amas_audit.domain.archive import CHECKPOINT, Manifest, leaves_in
from amas_audit.domain.dropping import drop_events
from amas_audit.domain.errors import ArchiveDamagedError, LogDamagedError, NotReadyError
from amas_audit.domain.facets import nanoseconds
from amas_audit.domain.model import EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.erase_contents import EraseContents
from amas_audit.usecases.export_run import ExportRun
from amas_audit.usecases.get_proof import GetProof
from amas_audit.usecases.query_events import QueryEvents
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError
from amas_cli.audit_trail.merkle import leaf_hash, proven_root

from ..damages import DAMAGES
from ..dropping import LOCATION, PARTITIONS, SIZE, archiving, dropping, grow, tenant_of, time_of
from ..logs import LogDatabase, WiredLog, content, cut, event, open_log, submission

pytestmark = pytest.mark.integration


@pytest.fixture
async def wired(pool: Pool, log_database: LogDatabase, signer: NoteSigner) -> WiredLog:
    """A log of two full partitions and a third."""
    await cut(log_database, *PARTITIONS)
    opened = await open_log(pool, signer)
    await grow(opened.log, 0, SIZE)
    return opened


@pytest.fixture
async def dropped(wired: WiredLog, pool: Pool, signer: NoteSigner, dropper: Pool, tmp_path: Path) -> Path:
    """The archive of a log whose first two partitions are there alone."""
    assert await archiving(pool, wired, signer, tmp_path / "archive")() == 768
    assert await dropping(pool, wired, signer, tmp_path / "archive", dropper)(days=0, location=LOCATION) == 768
    return tmp_path / "archive"


async def _left(pool: Pool) -> tuple[int, int]:
    """Entries that the database has, and where its oldest partition begins."""
    return (
        await pool.fetchval("SELECT count(*) FROM audit.entry"),
        await pool.fetchval("SELECT min(first) FROM audit.partitions()"),
    )


def _refused(error: pytest.ExceptionInfo[AmasError]) -> None:
    assert error.value.reason == "ENTRIES_ARCHIVED"
    assert error.value.metadata == {"first": "0", "last": "767", "location": LOCATION}


@pytest.mark.usefixtures("dropped")
async def test_it_is_on_record_for_each_tenant_and_takes_nothing_else(wired: WiredLog, pool: Pool) -> None:
    """Each tenant is told which entries, how many of its own, and where they are; the rest of the log stays."""
    assert await _left(pool) == (SIZE - 768 + 4, 768)
    for tenant, counts in (("acme", [384, 192]), ("globex", [128, 64])):
        told, _ = await QueryEvents(wired.reader, wired.contents)(
            EventFilter(tenant=tenant, type="dev.amas.audit.dropped"), page_size=10
        )
        said = [json.loads(entry.event.data) for entry in told]
        assert [(one["first"], one["last"], one["entries"]) for one in said] == [
            (0, 511, counts[0]),
            (512, 767, counts[1]),
        ]
        assert {one["location"] for one in said} == {LOCATION}
        assert {entry.source for entry in told} == {"audit"}
    assert (await wired.log.append(submission(event("later"))))[0].index == SIZE + 4


async def test_proofs_of_dropped_entries_hold(wired: WiredLog, dropped: Path, pool: Pool, signer: NoteSigner) -> None:
    """Tiles stay: each leaf of the archive is proven against the newest head, for its own tenant alone (I8)."""
    await grow(wired.log, SIZE, SIZE + 300)
    for index in (0, 3, 255, 256, 511, 512, 767):
        leaf = leaves_in((dropped / f"tile/entries/{index // 256:03}").read_bytes())[index % 256]
        proof = await GetProof(wired.reader)(tenant_of(index), index)
        assert proven_root(leaf_hash(leaf), index, proof.head.size, proof.hashes) == proof.head.root
        with pytest.raises(AmasError, match="no entry at that index"):
            await GetProof(wired.reader)("acme" if tenant_of(index) == "globex" else "globex", index)
    # An instance that starts now finds the same tree.
    await (await open_log(pool, signer)).sequencer.open()


@pytest.mark.usefixtures("dropped")
async def test_no_answer_is_silently_shorter(wired: WiredLog) -> None:
    """Whoever asks for what is archived is told so, with the range and the place; what is there is still found."""
    query = QueryEvents(wired.reader, wired.contents)
    acme = EventFilter(tenant="acme")
    for wanted in (acme, replace(acme, run_id="run-1"), replace(acme, ids=("event-0", "event-800"))):
        with pytest.raises(AmasError) as error:
            await query(wanted)
        _refused(error)
    there = [n for n in range(768, SIZE) if tenant_of(n) == "acme"]
    found: list[str] = []
    token = ""
    with pytest.raises(AmasError) as error:  # noqa: PT012 - the pages before it are the point
        for _ in range(len(there)):
            entries, token = await query(replace(acme, newest_first=True), page_size=10, page_token=token)
            found += [entry.event.id for entry in entries if entry.source != "audit"]
            assert token
    _refused(error)
    assert found == [f"event-{n}" for n in reversed(there)]
    later, token = await query(replace(acme, run_id="run-1", since=nanoseconds(time_of(768))), page_size=1000)
    assert ([entry.event.id for entry in later], token) == ([f"event-{n}" for n in there if n % 4 == 1], "")
    assert await query(replace(acme, run_id="no such run")) == ((), "")


@pytest.mark.usefixtures("dropped")
async def test_an_export_is_whole_or_refused(wired: WiredLog, pool: Pool, signer: NoteSigner) -> None:
    """A run that reaches into the archive gives no document, and a run behind it a whole one."""
    export = ExportRun(
        wired.reader, wired.contents, PostgresCosignatures(pool, []),
        origin=signer.verifier.name, verifier_key=lambda _: signer.verifier.encode(),
    )  # fmt: skip
    with pytest.raises(AmasError) as error:
        await anext(aiter(export("acme", "run-1")))
    _refused(error)
    await wired.log.append(submission(event("late", run_id="run-late")))
    lines = b"".join([chunk async for chunk in export("acme", "run-late")]).splitlines()
    assert json.loads(lines[-1])["entries"] == 1


@pytest.mark.usefixtures("dropped")
async def test_a_retry_of_a_dropped_event_is_refused_and_runs_go_on(wired: WiredLog) -> None:
    """I9: an id is never given twice, and what cannot be compared any more is not acknowledged."""
    with pytest.raises(AmasError) as error:
        await wired.log.append(submission(event("new"), event(5, run_id="run-1")))
    assert error.value.reason == "EVENT_ARCHIVED"
    there, new = await wired.log.append(
        submission(event(801, run_id="run-1", time=time_of(801)), event("new", run_id="run-1"))
    )
    assert (there.index, there.duplicate) == (801, True)
    assert (new.run_sequence, new.duplicate) == (SIZE // 4 + 1, False)


@pytest.mark.usefixtures("dropped")
async def test_bundles_are_refused_and_reads_before_it_stay_countable(pool: Pool) -> None:
    """Entries over HTTPS are told to be archived; a read that waits for its record still finds whose they were."""
    leaves = PostgresLeaves(pool)
    for start, end in ((0, 256), (700, 800)):
        with pytest.raises(AmasError) as error:
            await leaves.leaves(start, end)
        _refused(error)
    assert len(await leaves.leaves(768, 900)) == 132
    for start, end in ((0, 256), (10, 700), (700, 900)):
        numbers = [tenant_of(n) for n in range(start, end)]
        assert await leaves.tenants(start, end) == {name: numbers.count(name) for name in ("acme", "globex")}


async def test_what_was_said_is_erased_as_before(
    wired: WiredLog, pool: Pool, signer: NoteSigner, log_database: LogDatabase, dropper: Pool, tmp_path: Path
) -> None:
    """Contents are in no archive: a person whose events are there alone is found and forgotten."""
    await wired.log.append(submission(event("said", run_id="talk", contents=(content(subject="user:ada"),))))
    await grow(wired.log, SIZE, 1900)
    assert await archiving(pool, wired, signer, tmp_path / "archive")() == 1792
    secret = b"hello"
    assert not [path for path in (tmp_path / "archive").rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert await dropping(pool, wired, signer, tmp_path / "archive", dropper)(days=0, location=LOCATION) == 1792
    (run,) = await PostgresSubjects(pool).runs("acme", "user:ada", after=None, limit=10)
    assert (run.run_id, run.contents, run.first_time) == ("talk", 1, "")
    erasing = await open_pool(log_database.eraser_dsn, connections=1, start_timeout=60)
    try:
        erase = EraseContents(wired.log, PostgresEraser(erasing), SystemClock())
        assert (await erase("acme", "user:ada", principal="dpo", dry_run=False)).contents == 1
    finally:
        await erasing.close()
    assert await pool.fetchval("SELECT count(*) FROM audit.content") == 0


async def test_a_young_partition_stays(
    wired: WiredLog, pool: Pool, signer: NoteSigner, dropper: Pool, tmp_path: Path
) -> None:
    """What was filled less than so many days ago is not dropped."""
    await archiving(pool, wired, signer, tmp_path / "archive")()
    assert await dropping(pool, wired, signer, tmp_path / "archive", dropper)(days=1, location=LOCATION) == 0
    assert await _left(pool) == (SIZE, 0)


FILES = ("tile/entries/001", "tile/0/001", "tile/1/000.p/2", Manifest.path(0))


async def test_nothing_is_dropped_whose_archive_does_not_fit(
    wired: WiredLog, pool: Pool, signer: NoteSigner, dropper: Pool, tmp_path: Path
) -> None:
    """Fail closed: one bad file, of any kind, keeps its partition and all later ones; nothing is said in the log."""
    await archiving(pool, wired, signer, tmp_path / "archive")()
    damages: tuple[Callable[[Path], None], ...] = tuple(DAMAGES.values())
    for number, (path, damage) in enumerate(itertools.product(FILES, damages)):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "archive", folder)
        damage(folder / path)
        # Without its manifest a partition counts as not archived.
        with pytest.raises((ArchiveDamagedError, NotReadyError), match=r"tile/|is no manifest|are not archived"):
            await dropping(pool, wired, signer, folder, dropper)(days=0, location=LOCATION)
        assert await _left(pool) == (SIZE, 0)


async def test_nothing_is_dropped_without_an_archive_of_this_log(
    wired: WiredLog, pool: Pool, signer: NoteSigner, log_database: LogDatabase, dropper: Pool, tmp_path: Path
) -> None:
    """No archive, no checkpoint, an archive of another history, a log that was changed: the partitions stay."""
    verb = dropping(pool, wired, signer, tmp_path / "archive", dropper)
    with pytest.raises(NotReadyError, match="entries 0 to 511 are not archived: run `archive`"):
        await verb(days=0, location=LOCATION)
    await archiving(pool, wired, signer, tmp_path / "archive")()
    note = (tmp_path / "archive" / CHECKPOINT).read_bytes()
    (tmp_path / "archive" / CHECKPOINT).unlink()
    with pytest.raises(ArchiveDamagedError, match="checkpoint is missing"):
        await verb(days=0, location=LOCATION)
    (tmp_path / "archive" / CHECKPOINT).write_bytes(note)
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute("ALTER TABLE audit.tile DISABLE TRIGGER append_only")
        await owner.execute("UPDATE audit.tile SET root = sha256(root) WHERE level = 0 AND position = 1")
    finally:
        await owner.close()
    # A reader that has not seen the tiles before.
    fresh = replace(wired, reader=PostgresReader(pool, key_id=lambda: signer.verifier.key_id))
    with pytest.raises(LogDamagedError, match="are not those of the signed tree"):
        await dropping(pool, fresh, signer, tmp_path / "archive", dropper)(days=0, location=LOCATION)
    assert await _left(pool) == (SIZE, 0)


async def test_an_archive_goes_on_behind_what_was_dropped(
    wired: WiredLog, dropped: Path, pool: Pool, signer: NoteSigner, tmp_path: Path
) -> None:
    """The next partitions come behind those that are there alone; another folder cannot take their place."""
    await grow(wired.log, SIZE, 1900)
    with pytest.raises(ArchiveDamagedError, match=f"entries 0 to 767 were dropped.*use {LOCATION}"):
        await archiving(pool, wired, signer, tmp_path / "other")()
    assert await archiving(pool, wired, signer, dropped)() == 1792


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM audit.entry",
        "SELECT count(*) FROM audit.dropped",
        "INSERT INTO audit.dropped VALUES (0, 1, sha256(''), 'x', 'x')",
        "DELETE FROM audit.entry",
        "DROP TABLE audit.entry_000000000000000",
        "SELECT audit.add_partition()",
        "SELECT count(*) FROM audit.content",
        "CREATE TABLE audit.mine (a int)",
    ],
)
async def test_the_dropping_role_can_do_nothing_else(statement: str, wired: WiredLog, dropper: Pool) -> None:
    """Least privilege: it reads nothing, adds nothing, and drops by the function alone."""
    assert await wired.reader.head()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await dropper.execute(statement)


async def test_nobody_else_may_drop(wired: WiredLog, pool: Pool) -> None:
    """The service's role, taken over, still cannot."""
    assert await wired.reader.head()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("SELECT audit.drop_partition(0, 512, sha256(''), 'x', 'x')")


async def test_the_database_itself_drops_nothing_out_of_order_or_off_the_record(
    wired: WiredLog, pool: Pool, dropper: Pool
) -> None:
    """Also for somebody with the role: only the oldest, only if it is full, and only after the log says so to all."""
    drop = "SELECT audit.drop_partition($1, $2, sha256(''), 'x', $3)"
    for first, past, why in (
        (512, 768, "are not the oldest partition"),
        (0, 256, "are not the oldest partition"),
        (0, 512, "not on record for each of their tenants"),
    ):
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match=why):
            await dropper.execute(drop, first, past, "event-899")
    # On record for one of its two tenants, which is not enough.
    own = drop_events({"acme": 384}, first=0, past=512, root=hashlib.sha256().digest(), location="x", time=time_of(900))
    assert (await wired.log.append(submission(*own)))[0].index == SIZE
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="not on record"):
        await dropper.execute(drop, 0, 512, own[0].id)
    assert await _left(pool) == (SIZE + 1, 0)


async def test_a_search_under_way_never_sees_half_of_it(
    wired: WiredLog, pool: Pool, signer: NoteSigner, dropper: Pool, log_database: LogDatabase, tmp_path: Path
) -> None:
    """A reader holds the partitions for as long as it reads; the drop waits, tries again, and comes after it."""
    await archiving(pool, wired, signer, tmp_path / "archive")()
    reading = await asyncpg.connect(log_database.service_dsn)
    verb = dropping(pool, wired, signer, tmp_path / "archive", HeldDropper(dropper, reading))
    try:
        assert await verb(days=0, location=LOCATION) == 768
    finally:
        await reading.close()


class HeldDropper:
    """Begins to read as a search does before the first drop, and sees that this one waits for it."""

    def __init__(self, pool: Pool, reading: asyncpg.Connection) -> None:
        self._pool = pool
        self._reading = reading
        self._held = False

    async def drop(self, first: int, past: int, *, root: bytes, location: str, event_id: str) -> None:
        if not self._held:
            self._held = True
            transaction = self._reading.transaction(isolation="repeatable_read", readonly=True)
            await transaction.start()
            await self._reading.execute("LOCK TABLE ONLY audit.entry IN ACCESS SHARE MODE")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await self._pool.execute(
                    "SELECT audit.drop_partition($1, $2, $3, $4, $5)", first, past, root, location, event_id
                )
            assert await self._reading.fetchval('SELECT count(*) FROM audit.entry WHERE "index" < 512') == 512
            await transaction.rollback()
        await PostgresDropper(self._pool).drop(first, past, root=root, location=location, event_id=event_id)
