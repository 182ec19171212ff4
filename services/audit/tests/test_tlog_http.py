"""The log over HTTPS, by a real process on a real Postgres (C2SP tlog-tiles)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from amas.audit.v1 import audit_pb2
from amas_audit.domain.merkle import leaf_hash, node_hash
from amas_cli.local.authority import issue_certificate

from .faults.servers import FaultyPostgres
from .independent import Independent
from .logs import LogDatabase
from .processes import CALL_TIMEOUT, AuditProcess, Caller, request, write_signing_key
from .tlog_client import TlogClient, tlog_client

pytestmark = pytest.mark.integration

# More than a tile of leaves, and no multiple of it.
ENTRIES = 600


@pytest.fixture
async def service(log_database: LogDatabase, certificates: Any, tmp_path: Path) -> AsyncIterator[AuditProcess]:
    """The service with a log of two tenants."""
    made = AuditProcess(log_database, certificates, write_signing_key(tmp_path / "key.pem"), tmp_path / "log")
    await made.start()
    caller = Caller.of(made, "orchestrator")
    for start in range(0, ENTRIES, 200):
        tenant = "acme" if start else "other"
        await caller.stub.Append(request(*range(start, start + 200), tenant=tenant, run_id=f"run-{tenant}"))
    await caller.close()
    yield made
    await made.kill()


@pytest.fixture
async def anybody(service: AuditProcess) -> AsyncIterator[TlogClient]:
    """A client without a certificate."""
    async with tlog_client(service) as client:
        yield client


@pytest.fixture
async def auditor(service: AuditProcess) -> AsyncIterator[TlogClient]:
    """A client that may read entries."""
    async with tlog_client(service, "auditor") as client:
        yield client


def split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + 32] for at in range(0, len(hashes), 32)]


def root_of(hashes: list[bytes]) -> bytes:
    """MTH by its definition (RFC 9162, section 2.1.1), over hashes of leaves or of whole tiles."""
    if len(hashes) == 1:
        return hashes[0]
    middle = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node_hash(root_of(hashes[:middle]), root_of(hashes[middle:]))


def entries_of(bundle: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        found.append(bundle[at + 2 : end])
        at = end
    return found


async def test_the_tree_can_be_followed_from_entries_to_checkpoint(anybody: TlogClient, auditor: TlogClient) -> None:
    """Bundles, tiles and checkpoint agree, and are where the specification says."""
    checkpoint = await anybody.ask("/checkpoint")
    assert checkpoint.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["Cache-Control"] == "public, max-age=1"
    origin, size, root, *_ = checkpoint.body.decode().split("\n")
    assert (origin, size) == ("amas.internal/audit", str(ENTRIES))

    tiles = [await anybody.ask(f"/tile/0/{name}") for name in ("000", "001", "002.p/88")]
    assert [len(tile.body) // 32 for tile in tiles] == [256, 256, 88]
    assert {tile.headers["Cache-Control"] for tile in tiles} == {"public, max-age=31536000, immutable"}
    assert {tile.headers["Content-Type"] for tile in tiles} == {"application/octet-stream"}
    above = await anybody.ask("/tile/1/000.p/2")
    assert split(above.body) == [root_of(split(tile.body)) for tile in tiles[:2]]
    bundles = [await auditor.ask(f"/tile/entries/{name}") for name in ("000", "001", "002.p/88")]
    for bundle, tile in zip(bundles, tiles, strict=True):
        assert [leaf_hash(entry) for entry in entries_of(bundle.body)] == split(tile.body)
        assert bundle.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    leaves = [hashed for tile in tiles for hashed in split(tile.body)]
    assert base64.b64encode(root_of(leaves)).decode() == root


async def test_programs_of_others_accept_the_live_log(service: AuditProcess, certificates: Any, tmp_path: Path) -> None:
    """I9: Tessera's fsck and Go's sumdb packages read the log over HTTPS, and find that it holds."""
    independent = Independent(certificates)
    key = await verifier_key(service)
    for check in ("note", "fsck", "records"):
        answer = await independent.check(check, service.tlog_url, [key])
        assert answer["ok"], answer
        assert (answer["size"], answer["signers"]) == (ENTRIES, 1)
    older = tmp_path / "older"
    async with tlog_client(service) as client:
        older.write_bytes((await client.ask("/checkpoint")).body)
    caller = Caller.of(service, "orchestrator")
    await caller.stub.Append(request(*range(1000, 1100)))
    await caller.close()
    answer = await independent.check("consistency", service.tlog_url, [key], "-from", older)
    assert answer["ok"], answer
    assert answer["size"] == ENTRIES + 100
    assert not (await independent.check("fsck", service.tlog_url, [key], come_as="gateway"))["ok"]


async def verifier_key(service: AuditProcess) -> str:
    caller = Caller.of(service, "gateway")
    answer = await caller.stub.GetCheckpoint(audit_pb2.GetCheckpointRequest())
    await caller.close()
    return str(answer.verifier_key)


async def test_entries_are_for_auditors_alone(service: AuditProcess, anybody: TlogClient) -> None:
    """I8: entries are those of all tenants, so that no service, and nobody without a name, can read them."""
    nobody = await anybody.ask("/tile/entries/000")
    assert nobody.status == 401
    assert json.loads(nobody.body)["reason"] == "CLIENT_CERTIFICATE_REQUIRED"
    for name in ("gateway", "policy-sidecar", "orchestrator"):
        async with tlog_client(service, name) as client:
            refused = await client.ask("/tile/entries/000")
        assert refused.status == 403
        problem = json.loads(refused.body)
        assert problem["reason"] == "ENTRIES_REFUSED"
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.headers["Cache-Control"] == "no-store"
        assert b"tenant" not in refused.body.replace(b"all tenants", b"")


async def test_who_read_entries_is_on_record_for_each_tenant(
    service: AuditProcess, auditor: TlogClient, anybody: TlogClient
) -> None:
    """I12: also of the last minute before the process was asked to end; hashes tell of nobody, and are not recorded."""
    for path in ("/tile/entries/000", "/tile/entries/001", "/tile/entries/000"):
        assert (await auditor.ask(path)).status == 200
    assert (await anybody.ask("/tile/0/000")).status == 200
    assert await service.stop() == 0
    database = await asyncpg.connect(service.database.service_dsn)
    leaves = await database.fetch('SELECT leaf FROM audit.entry WHERE "index" >= $1 ORDER BY "index"', ENTRIES)
    await database.close()
    said = [json.loads(row["leaf"]) for row in leaves]
    assert [(one["tenant"], one["source"], one["principal"], one["data"]["count"]) for one in said] == [
        ("acme", "audit", "auditor", 312),
        ("other", "audit", "auditor", 200),
    ]
    assert said[0]["data"]["filters"] == {"reader": "auditor", "stretches": [[0, 512]]}


async def test_a_certificate_of_a_stranger_does_not_connect(
    service: AuditProcess, tmp_path: Path, certificates: Any
) -> None:
    """Anybody can make a certificate that says auditor: only our authority's count."""
    strangers = type(certificates)(tmp_path / "strangers")
    pretended = AuditProcess(service.database, strangers, None, tmp_path / "no-log", tlog_port=service.tlog_port)
    ours = certificates.files("audit").ca.read_bytes()
    strangers.files("auditor").ca.write_bytes(ours)
    async with tlog_client(pretended, "auditor") as client:
        with pytest.raises(aiohttp.ClientError):
            await client.ask("/tile/entries/000")


ABSENT = (
    "/tile/0/003",
    "/tile/0/002",
    "/tile/0/002.p/89",
    "/tile/0/000.p/256",
    "/tile/0/000.p/0",
    "/tile/0/000.p/01",
    "/tile/0/0",
    "/tile/0/x000/001",
    "/tile/0/1000",
    "/tile/00/000",
    "/tile/64/000",
    "/tile/-1/000",
    "/tile/1/000",
    "/tile/63/000.p/1",
    "/tile/0/000/../001",
    "/tile/0/%30%30%30",
    "/tile/0/" + "x999/" * 30 + "999",
    "/tile/0/" + "x000/" * 1000 + "000",
    "/tile/entries",
    "/tile/",
    "/",
)


async def test_what_is_not_there_is_a_problem(anybody: TlogClient) -> None:
    """A name that is not exactly one of the log's is nothing, and no cache keeps that answer."""
    for path in ABSENT:
        answer = await anybody.ask(path)
        assert answer.status == 404, path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert json.loads(answer.body)["status"] == 404


async def test_what_a_client_has_is_not_sent_again(anybody: TlogClient, auditor: TlogClient) -> None:
    """HEAD and If-None-Match cost no body; a method that changes things does not exist."""
    for client, path in ((anybody, "/checkpoint"), (anybody, "/tile/0/000"), (auditor, "/tile/entries/000")):
        whole = await client.ask(path)
        tag = whole.headers["ETag"]
        assert tag == f'W/"{hashlib.sha256(whole.body).hexdigest()[:32]}"'
        same = await client.ask(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
        head = await client.ask(path, method="HEAD")
        assert (head.status, head.body, head.headers["ETag"]) == (200, b"", tag)
        refused = await client.ask(path, method="POST")
        assert (refused.status, refused.headers["Content-Type"]) == (405, "application/problem+json")
    assert (await anybody.ask("/checkpoint", headers={"If-None-Match": '"x"'})).status == 200


async def test_bundles_are_compressed(auditor: TlogClient) -> None:
    """They are JSON of one shape, and shrink a lot."""
    bundle = await auditor.ask("/tile/entries/000", headers={"Accept-Encoding": "gzip"})
    assert bundle.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in bundle.headers["Vary"]
    plain = await auditor.ask("/tile/entries/000", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.body == bundle.body
    assert int(bundle.headers["Content-Length"]) * 3 < len(plain.body)


async def test_a_new_certificate_is_shown_without_a_restart(service: AuditProcess, certificates: Any) -> None:
    """Certificates live shorter than the process."""

    async def shown() -> bytes:
        return ssl.PEM_cert_to_DER_cert(await _certificate(service)).strip()

    before = await shown()
    issue_certificate(certificates.folder, "audit", renew=True)
    after = await shown()
    assert before != after
    async with tlog_client(service, "auditor") as client:
        assert (await client.ask("/tile/entries/000")).status == 200


async def _certificate(service: AuditProcess) -> str:
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", service.tlog_port), timeout=CALL_TIMEOUT)


async def test_while_the_database_is_away_it_says_when_to_come_back(
    own_database: LogDatabase, own_postgres: FaultyPostgres, certificates: Any, tmp_path: Path
) -> None:
    """The log is as available as its database; nobody is told that something is not there."""
    service = AuditProcess(own_database, certificates, write_signing_key(tmp_path / "key.pem"), tmp_path / "log")
    try:
        await service.start()
        async with tlog_client(service) as client:
            assert (await client.ask("/checkpoint")).status == 200
            await asyncio.to_thread(own_postgres.stop)
            answer = await client.ask("/checkpoint")
    finally:
        await service.kill()
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert json.loads(answer.body)["reason"] == "LOG_UNAVAILABLE"
