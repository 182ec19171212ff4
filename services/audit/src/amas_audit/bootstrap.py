"""Wires the audit service. Everything is made here and nowhere else, and only when asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from amas.audit.v1 import audit_pb2_grpc
from amas_chassis.clock import SystemClock
from amas_chassis.https_context import optional_client_context
from amas_chassis.service import GrpcService, ServiceSpec
from amas_chassis.settings import SettingsError, load
from amas_chassis.starting import waiting_for
from amas_governance.audit_events import event_types
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from prometheus_client import CollectorRegistry

from amas_audit.adapters.archive_folder import ArchiveFolder
from amas_audit.adapters.group_commit import GroupCommit
from amas_audit.adapters.master_key import MasterKeys, read_master_keys
from amas_audit.adapters.partitions import Partitions
from amas_audit.adapters.postgres_contents import PostgresContents
from amas_audit.adapters.postgres_cosignatures import PostgresCosignatures
from amas_audit.adapters.postgres_dropped import BlockOwners, PostgresDropper
from amas_audit.adapters.postgres_eraser import PostgresEraser
from amas_audit.adapters.postgres_leaves import PostgresLeaves
from amas_audit.adapters.postgres_log import PostgresLog
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.adapters.postgres_reader import PostgresReader
from amas_audit.adapters.postgres_start import check_master_keys, wait_for_tables
from amas_audit.adapters.postgres_subjects import PostgresSubjects
from amas_audit.adapters.signing_key import KeyFile, read_signing_keys
from amas_audit.adapters.witness_client import WitnessClient, read_witnesses
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.retention import Retention
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.entrypoints.grpc_api import CALLERS, SERVICE, AuditApi
from amas_audit.entrypoints.tlog_http import Access, TlogHttp
from amas_audit.settings import AuditSettings
from amas_audit.telemetry import AuditTelemetry
from amas_audit.usecases.append_events import AppendEvents
from amas_audit.usecases.archive_partitions import ArchivePartitions
from amas_audit.usecases.check_archive import CheckArchive
from amas_audit.usecases.cosign_checkpoints import CosignCheckpoints
from amas_audit.usecases.drop_partitions import DropPartitions
from amas_audit.usecases.erase_contents import EraseContents
from amas_audit.usecases.expire_contents import ExpireContents, KeepExpiring
from amas_audit.usecases.export_run import ExportRun
from amas_audit.usecases.find_subject import FindSubject
from amas_audit.usecases.get_checkpoint import GetCheckpoint
from amas_audit.usecases.get_entries import GetEntries
from amas_audit.usecases.get_proof import GetProof
from amas_audit.usecases.get_tile import GetTile
from amas_audit.usecases.keep_signed import KeepSigned
from amas_audit.usecases.publish_checkpoint import PublishCheckpoint
from amas_audit.usecases.query_events import QueryEvents
from amas_audit.usecases.record_reads import RecordReads

NAME = "audit"

_LOG = logging.getLogger(__name__)


async def build() -> ServiceSpec:
    """The service, once its key is read and its database is there and fits it."""
    settings = load(AuditSettings)
    # Compiled before anybody waits for it.
    event_types()
    signer, masters = _keys(settings)
    witnesses = _witnesses(settings)
    if settings.otlp_endpoint:
        # A span of each statement only where somebody sees it.
        # Without parameters, which are the contents of the log. The package has no types.
        AsyncPGInstrumentor(capture_parameters=False).instrument()  # type: ignore[no-untyped-call]
    async with waiting_for("database", settings.http_listen):
        pool = await open_pool(
            settings.service_dsn(),
            connections=settings.database_connections,
            start_timeout=settings.start_timeout,
        )
        await wait_for_tables(pool, start_timeout=settings.start_timeout)
        await check_master_keys(pool, masters)
        telemetry = AuditTelemetry()
        retention = Retention(settings.retention_days)
        log = PostgresLog(pool, signer, masters, retention=retention, origin=settings.origin, telemetry=telemetry)
        await log.open()
        _LOG.info("the log is open", extra={"verifier_key": signer.verifier.encode()})
        erasing = await _erasing(settings)
    return _spec(settings, pool, erasing, signer, masters, witnesses, log, telemetry)


async def _erasing(settings: AuditSettings) -> Pool | None:
    """Connections of the role that can only erase, if there is one."""
    dsn = settings.erasure_dsn()
    return await open_pool(dsn, connections=2, start_timeout=settings.start_timeout) if dsn else None


def archive(settings: AuditSettings) -> str:
    """Archive what is closed; answers a sentence. SettingsError, and what the use case raises."""
    folder, signer = _archive_of(settings)

    async def run(pool: Pool) -> str:
        reader = PostgresReader(pool, key_id=lambda: signer.verifier.key_id)
        verb = ArchivePartitions(
            reader, PostgresLeaves(pool), Partitions(pool), ArchiveFolder(folder), signer, tell=print
        )
        return f"{await verb()} entries are archived in {folder}"

    # Before the database is asked, so that a folder that cannot be used is found before a partition is full.
    with ArchiveFolder(folder).alone():
        return asyncio.run(_with_tables(settings, run))


def check_archive(settings: AuditSettings) -> str:
    """Read the archive, without the database; as above."""
    folder, signer = _archive_of(settings)
    return f"the archive of {CheckArchive(ArchiveFolder(folder), signer)()} entries fits"


def drop(settings: AuditSettings) -> str:
    """Drop from the database what is archived, as the role that can only do that; as above."""
    folder, signer = _archive_of(settings)
    dsn = settings.drop_dsn()
    try:
        masters = read_master_keys(settings.master_key_file)
    except NotReadyError as error:
        raise SettingsError(str(error)) from error

    async def run(pool: Pool) -> str:
        dropping = await open_pool(dsn, connections=1, start_timeout=settings.start_timeout)
        try:
            verb = _dropping(settings, pool, dropping, ArchiveFolder(folder), signer, masters)
            past = await verb(days=settings.drop_after_days, location=settings.archive_location)
        finally:
            await dropping.close()
        return f"{past} entries are in the archive alone"

    return asyncio.run(_with_tables(settings, run))


def _dropping(
    settings: AuditSettings, pool: Pool, dropping: Pool, files: ArchiveFolder, signer: NoteSigner, masters: MasterKeys
) -> DropPartitions:
    """One more instance of the log, which says what is dropped."""
    clock, telemetry = SystemClock(), AuditTelemetry(CollectorRegistry())
    retention = Retention(settings.retention_days)
    log = PostgresLog(pool, signer, masters, retention=retention, origin=settings.origin, telemetry=telemetry)
    return DropPartitions(
        PostgresReader(pool, key_id=lambda: signer.verifier.key_id),
        GroupCommit(log.commit, telemetry, clock),
        BlockOwners(pool),
        Partitions(pool),
        PostgresDropper(dropping),
        files,
        signer,
        clock,
        tell=print,
    )


def _archive_of(settings: AuditSettings) -> tuple[Path, NoteSigner]:
    if settings.archive_dir is None:
        raise SettingsError("AMAS_AUDIT_ARCHIVE_DIR is not set, and an archive needs a folder")
    try:
        return settings.archive_dir, NoteSigner(settings.origin, *read_signing_keys(settings.signing_key_file))
    except NotReadyError as error:
        raise SettingsError(str(error)) from error


async def _with_tables(settings: AuditSettings, run: Callable[[Pool], Awaitable[str]]) -> str:
    pool = await open_pool(settings.service_dsn(), connections=2, start_timeout=settings.start_timeout)
    try:
        await wait_for_tables(pool, start_timeout=settings.start_timeout)
        return await run(pool)
    finally:
        await pool.close()


def _spec(
    settings: AuditSettings,
    pool: Pool,
    erasing: Pool | None,
    signer: KeyFile,
    masters: MasterKeys,
    witnesses: Sequence[WitnessClient],
    log: PostgresLog,
    telemetry: AuditTelemetry,
) -> ServiceSpec:
    clock = SystemClock()
    reader = PostgresReader(pool, key_id=lambda: signer.verifier.key_id)
    contents = PostgresContents(pool, masters)
    group_commit = GroupCommit(log.commit, telemetry, clock)
    retention = Retention(settings.retention_days)
    eraser = PostgresEraser(erasing) if erasing is not None else None
    erase = EraseContents(group_commit, eraser, clock)

    cosignatures = PostgresCosignatures(pool, [witness.key for witness in witnesses])
    quorum = settings.witness_quorum if witnesses else 0

    def verifier_key(note: str) -> str:
        return signer.verifier_of(note).encode()

    api = AuditApi(
        append_events=AppendEvents(group_commit, telemetry, clock, retention),
        query_events=QueryEvents(reader, contents),
        get_proof=GetProof(reader),
        get_checkpoint=GetCheckpoint(reader),
        export_run=ExportRun(
            reader, contents, cosignatures, origin=settings.origin, verifier_key=verifier_key, quorum=quorum
        ),
        erase_contents=erase,
        find_subject=FindSubject(PostgresSubjects(pool)),
        verifier_key=verifier_key,
    )

    cosign = CosignCheckpoints(reader, witnesses, cosignatures, telemetry, clock)
    publish = PublishCheckpoint(reader, cosignatures, quorum=quorum)

    reads = RecordReads(group_commit, PostgresLeaves(pool), clock)

    async def log_is_sound() -> None:
        log.check()

    return ServiceSpec(
        name=NAME,
        settings=settings,
        services=[GrpcService(SERVICE, audit_pb2_grpc.add_AuditServiceServicer_to_server, api)],
        callers=CALLERS,
        servers=_servers(settings, pool, reader, publish, reads, telemetry),
        background=[
            KeepSigned(signer.refresh, log.open).run,
            reads.run,
            *([cosign.run] if witnesses else []),
            *(
                [KeepExpiring(ExpireContents(eraser, erase, retention), settings.erasure_interval).run]
                if eraser is not None
                else []
            ),
        ],
        checks={"database": reader.check, "log": log_is_sound},
        on_stop=[
            reads.flush,
            group_commit.close,
            *(witness.close for witness in witnesses),
            pool.close,
            *([erasing.close] if erasing is not None else []),
        ],
    )


def _servers(
    settings: AuditSettings,
    pool: Pool,
    reader: PostgresReader,
    publish: PublishCheckpoint,
    reads: RecordReads,
    telemetry: AuditTelemetry,
) -> list[TlogHttp]:
    """The log over HTTPS, where it is asked for."""
    if not settings.tlog_listen:
        return []
    return [
        TlogHttp(
            settings.tlog_listen,
            optional_client_context(settings.tls_files()),
            Access(settings.trust_domain, settings.entry_readers()),
            checkpoint=publish,
            tile=GetTile(reader),
            entries=GetEntries(PostgresLeaves(pool)),
            note=reads.note,
            count=telemetry.served,
        )
    ]


def _keys(settings: AuditSettings) -> tuple[KeyFile, MasterKeys]:
    try:
        signer = KeyFile(settings.origin, settings.signing_key_file)
        return signer, read_master_keys(settings.master_key_file)
    except NotReadyError as error:
        raise SettingsError(str(error)) from error


def _witnesses(settings: AuditSettings) -> list[WitnessClient]:
    try:
        found = read_witnesses(settings.witnesses_file, settings.tls_ca_file)
    except NotReadyError as error:
        raise SettingsError(str(error)) from error
    if settings.witnesses_file and len(found) < settings.witness_quorum:
        raise SettingsError(f"AMAS_AUDIT_WITNESS_QUORUM asks for {settings.witness_quorum} of {len(found)} witnesses")
    return found
