from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from amas.audit.v1 import audit_pb2
from amas_audit.adapters.postgres_pool import Pool
from amas_chassis.rpc_errors import from_rpc_error
from amas_cli.audit_trail import Verdict, verify

from .faults.servers import FaultyPostgres
from .logs import LogDatabase
from .processes import INTENT, READY_TIMEOUT, SAMPLES, AuditProcess, Caller, poll, request, write_signing_key

pytestmark = pytest.mark.integration


@pytest.fixture
def service(log_database: LogDatabase, certificates: Any, tmp_path: Path) -> AuditProcess:
    """The service, not started yet."""
    return AuditProcess(log_database, certificates, write_signing_key(tmp_path / "key.pem"), tmp_path / "log")


@pytest.fixture
async def running(service: AuditProcess) -> AsyncIterator[AuditProcess]:
    """The service, ready; stopped after the test."""
    await service.start()
    yield service
    await service.kill()


@pytest.fixture
async def callers(running: AuditProcess) -> AsyncIterator[dict[str, Caller]]:
    """The other services, and one that has no business here."""
    made = {
        name: Caller.of(running, name) for name in ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit")
    }
    yield made
    for caller in made.values():
        await caller.close()


async def test_a_run_is_appended_asked_for_proven_and_verified(
    running: AuditProcess, callers: dict[str, Caller], tmp_path: Path
) -> None:
    """I9, I10: what the services wrote is what an outsider verifies, with code that shares nothing with ours."""
    await callers["orchestrator"].stub.Append(request(1, type="dev.amas.run.started"))
    await callers["policy-sidecar"].stub.Append(request(*range(2, 200), step="publish"))
    await callers["ai-router"].stub.Append(
        request("x", tenant="other", data_json=SAMPLES[INTENT][:-1] + ',"attempt":"secret"}')
    )
    await callers["orchestrator"].stub.Append(request(200, type="dev.amas.run.ended"))

    gateway = callers["gateway"].stub
    page = await gateway.Query(audit_pb2.QueryRequest(tenant="acme", run_id="run-1", page_size=150))
    rest = await gateway.Query(
        audit_pb2.QueryRequest(tenant="acme", run_id="run-1", page_size=150, page_token=page.next_page_token)
    )
    entries = [*page.entries, *rest.entries]
    assert [entry.run_sequence for entry in entries] == list(range(1, 201))
    assert {entry.source for entry in entries} == {"orchestrator", "policy-sidecar"}
    assert rest.next_page_token == ""

    checkpoint = await gateway.GetCheckpoint(audit_pb2.GetCheckpointRequest())
    proof = await gateway.GetProof(audit_pb2.GetProofRequest(tenant="acme", index=entries[5].index))
    assert proof.checkpoint == checkpoint.checkpoint
    assert proof.tree_size == 201

    export = tmp_path / "run.jsonl"
    chunks = [chunk.data async for chunk in gateway.Export(audit_pb2.ExportRequest(tenant="acme", run_id="run-1"))]
    export.write_bytes(b"".join(chunks))
    report = verify(export, checkpoint.verifier_key)
    assert report.verdict is Verdict.VERIFIED, report.findings
    assert report.entries == 200
    assert b"secret" not in export.read_bytes()
    metrics = await running.metrics()
    assert 'amas_audit_events_total{outcome="new",source="policy-sidecar"} 198.0' in metrics
    assert "amas_audit_tree_size 201.0" in metrics


@pytest.mark.parametrize(
    ("caller", "method", "allowed"),
    [
        ("orchestrator", "Query", False),
        ("ai-router", "Query", False),
        ("policy-sidecar", "Query", True),
        ("policy-sidecar", "GetCheckpoint", True),
        ("orchestrator", "GetCheckpoint", False),
        ("ai-router", "GetCheckpoint", False),
        ("orchestrator", "GetProof", False),
        ("ai-router", "Export", False),
        ("audit", "Append", False),
        ("gateway", "Append", True),
    ],
)
async def test_each_method_has_its_callers(callers: dict[str, Caller], caller: str, method: str, allowed: bool) -> None:
    """A service that was taken over can still do no more than its own part."""
    stub = callers[caller].stub
    calls = {
        "Append": lambda: stub.Append(request(1)),
        "Query": lambda: stub.Query(audit_pb2.QueryRequest(tenant="acme")),
        "GetProof": lambda: stub.GetProof(audit_pb2.GetProofRequest(tenant="acme", index=0)),
        "GetCheckpoint": lambda: stub.GetCheckpoint(audit_pb2.GetCheckpointRequest()),
        "Export": lambda: anext(aiter(stub.Export(audit_pb2.ExportRequest(tenant="acme", run_id="run-1")))),
    }
    if allowed:
        await calls[method]()
        return
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await calls[method]()
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (request(1, data_json="[]"), grpc.StatusCode.INVALID_ARGUMENT),
        (request(1, principal="a\0b"), grpc.StatusCode.INVALID_ARGUMENT),
        (request(1, type="com.example.other"), grpc.StatusCode.INVALID_ARGUMENT),
        (request(1, type="dev.amas.nobody.knows", data_json="{}"), grpc.StatusCode.INVALID_ARGUMENT),
        (request(1, data_json="{}"), grpc.StatusCode.INVALID_ARGUMENT),
        (request(1, trace_id="nonsense"), grpc.StatusCode.INVALID_ARGUMENT),
        (audit_pb2.AppendRequest(), grpc.StatusCode.INVALID_ARGUMENT),
        (request("taken", role="another"), grpc.StatusCode.ALREADY_EXISTS),
        (request(2, fencing_token=1), grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
async def test_a_bad_append_is_refused_and_changes_nothing(
    callers: dict[str, Caller], made: audit_pb2.AppendRequest, code: grpc.StatusCode
) -> None:
    """I11: a precise code, and the log as it was."""
    stub = callers["policy-sidecar"].stub
    await stub.Append(request("taken", fencing_token=2))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Append(made)
    assert refused.value.code() is code
    places = await stub.Append(request("next"))
    assert (places.events[0].index, places.events[0].run_sequence) == (1, 2)


async def test_a_content_that_is_unknown_is_named(callers: dict[str, Caller]) -> None:
    """A sender of a newer release learns which content this log does not take, and can do without it."""
    unknown = request(1, contents=[audit_pb2.Content(name="later", data=b"{}")])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await callers["orchestrator"].stub.Append(unknown)
    error = from_rpc_error(refused.value)
    assert (error.reason, [one.field for one in error.violations]) == ("EVENT_INVALID", ["events[0].contents[0].name"])


# Seven lives of the process, each with a start of its own.
@pytest.mark.timeout(300)
async def test_kill_9_in_the_middle_of_appends_loses_nothing_acknowledged(
    service: AuditProcess, tmp_path: Path
) -> None:
    """I9: whatever was acknowledged before the process was shot is there after it, once, and the tree is whole."""
    chance = random.Random(11)  # noqa: S311 - a schedule, no secret
    acknowledged: dict[str, int] = {}
    for generation in range(6):
        await service.start()
        caller = Caller.of(service, "orchestrator")
        writers = [asyncio.create_task(_write(caller, f"{generation}-{writer}", acknowledged)) for writer in range(16)]
        await _until_acknowledged(acknowledged, len(acknowledged) + chance.randrange(50, 250))
        await service.kill()
        await asyncio.gather(*writers)
        await caller.close()
    await service.start()
    gateway = Caller.of(service, "gateway")
    try:
        entries = await _all_entries(gateway)
        assert [entry.run_sequence for entry in entries] == list(range(1, len(entries) + 1))
        assert len({entry.event.id for entry in entries}) == len(entries)
        places = {entry.event.id: entry.index for entry in entries}
        assert len(acknowledged) >= 300
        assert {event_id: places.get(event_id) for event_id in acknowledged} == acknowledged
        export = tmp_path / "run.jsonl"
        stream = gateway.stub.Export(audit_pb2.ExportRequest(tenant="acme", run_id="run-1"))
        export.write_bytes(b"".join([chunk.data async for chunk in stream]))
        checkpoint = await gateway.stub.GetCheckpoint(audit_pb2.GetCheckpointRequest())
        report = verify(export, checkpoint.verifier_key)
        assert (report.verdict, report.entries) == (Verdict.INCOMPLETE, len(entries)), report.findings
    finally:
        await gateway.close()
        assert await service.stop() == 0


async def _write(caller: Caller, prefix: str, acknowledged: dict[str, int]) -> None:
    """Append until the service is gone."""
    for number in range(10_000):
        try:
            answer = await caller.stub.Append(request(f"{prefix}-{number}"))
        except grpc.aio.AioRpcError:
            return
        acknowledged[answer.events[0].id] = answer.events[0].index


async def _all_entries(caller: Caller) -> list[audit_pb2.LogEntry]:
    entries: list[audit_pb2.LogEntry] = []
    token = ""
    for _ in range(1000):
        page = await caller.stub.Query(
            audit_pb2.QueryRequest(tenant="acme", run_id="run-1", page_size=1000, page_token=token)
        )
        entries.extend(page.entries)
        token = page.next_page_token
        if not token:
            return entries
    raise AssertionError("the pages do not end")


async def test_sigterm_answers_what_was_accepted(running: AuditProcess, callers: dict[str, Caller], pool: Pool) -> None:
    """I12: a drain ends with exit code 0, and whatever was appended was also acknowledged."""
    stub = callers["orchestrator"].stub
    appends = [asyncio.ensure_future(stub.Append(request(number))) for number in range(200)]
    await asyncio.wait(appends, return_when=asyncio.FIRST_COMPLETED)
    assert await running.stop() == 0
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    answers = [outcome for outcome in outcomes if isinstance(outcome, audit_pb2.AppendResponse)]
    assert answers
    written = {row["event_id"] for row in await pool.fetch("SELECT event_id FROM audit.event_key")}
    assert {answer.events[0].id for answer in answers} == written


async def test_readiness_tells_the_truth(
    own_database: LogDatabase, own_postgres: FaultyPostgres, certificates: Any, tmp_path: Path
) -> None:
    """Without its database the service is not ready, and when it is back, it is again, by itself."""
    service = AuditProcess(own_database, certificates, write_signing_key(tmp_path / "key.pem"), tmp_path / "log")
    try:
        await service.start()
        assert await service.readiness() == 200
        await asyncio.to_thread(own_postgres.stop)
        await _until_readiness(service, 503)
        await asyncio.to_thread(own_postgres.start)
        await _until_readiness(service, 200)
    finally:
        await service.kill()


async def _until_readiness(service: AuditProcess, wanted: int) -> None:
    async def reached() -> bool:
        return await service.readiness() == wanted

    await poll(reached, pause=0.1)


async def _until_acknowledged(acknowledged: dict[str, int], count: int) -> None:
    async def reached() -> bool:
        return len(acknowledged) >= count

    await poll(reached, pause=0.001)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path | None]:
    """Signing keys that do not do."""
    open_key = write_signing_key(tmp_path / "open.pem")
    open_key.chmod(0o644)
    return {"none": None, "absent": tmp_path / "absent.pem", "open": open_key}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none", "AMAS_AUDIT_SIGNING_KEY_FILE is not set: without a signing key the log proves nothing"),
        ("absent", "cannot be read: No such file or directory"),
        ("open", "is open to group or others: chmod 600 it"),
    ],
)
async def test_without_a_usable_key_it_does_not_start(
    service: AuditProcess, keys: dict[str, Path | None], name: str, sentence: str
) -> None:
    """One sentence and an exit code, no stack trace, and nothing that serves unsigned."""
    service.signing_key = keys[name]
    process = await service.launch()
    async with asyncio.timeout(READY_TIMEOUT):
        assert await process.wait() == 2
    output = service.log.read_text()
    assert sentence in output
    assert "Traceback" not in output


async def test_without_a_usable_master_key_it_does_not_start(service: AuditProcess) -> None:
    """One sentence and an exit code: contents are kept encrypted, or nothing is."""
    service.extra = {"MASTER_KEY_FILE": ""}
    process = await service.launch()
    async with asyncio.timeout(READY_TIMEOUT):
        assert await process.wait() == 2
    output = service.log.read_text()
    assert "AMAS_AUDIT_MASTER_KEY_FILE is not set" in output
    assert "Traceback" not in output
