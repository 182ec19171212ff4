"""A real log and real witnesses: what is shown is cosigned, appends wait for nobody, and a fork gets no name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from amas_audit.adapters.migrate import migrate
from amas_cli.audit_log import LogCheck, LogReport, WitnessKey, check_log
from amas_cli.audit_log.report import Part
from amas_cli.audit_trail import KeyRing
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.tlogs import LogKey

from .independent import Independent
from .logs import LogDatabase
from .processes import READY_TIMEOUT, AuditProcess, Caller, poll, request, write_signing_key
from .tlog_client import live_source, tlog_client
from .witnesses import WitnessProcess

# Services and witnesses are started, and started again.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def key(tmp_path: Path) -> LogKey:
    """The log's key."""
    private: Any = load_pem_private_key(write_signing_key(tmp_path / "key.pem").read_bytes(), None)
    return LogKey(private=private)


@pytest.fixture
async def witnesses(tmp_path: Path, key: LogKey) -> AsyncIterator[list[WitnessProcess]]:
    """Two of them."""
    made = [WitnessProcess(tmp_path / name, f"witness.test/{name}", (key.verifier,)) for name in ("w1", "w2")]
    for witness in made:
        await witness.start()
    (tmp_path / "witnesses").write_text("# who looks on\n" + "".join(witness.line for witness in made))
    yield made
    for witness in made:
        await witness.kill()


@pytest.fixture
async def service(
    log_database: LogDatabase, certificates: Any, tmp_path: Path, witnesses: list[WitnessProcess]
) -> AsyncIterator[AuditProcess]:
    """The service, which asks both."""
    extra = {"WITNESSES_FILE": str(tmp_path / "witnesses"), "WITNESS_QUORUM": "2"}
    made = AuditProcess(log_database, certificates, tmp_path / "key.pem", tmp_path / "log", extra=extra)
    await made.start()
    yield made
    await made.kill()


async def append(service: AuditProcess, *numbers: int) -> None:
    caller = Caller.of(service, "orchestrator")
    await caller.stub.Append(request(*numbers))
    await caller.close()


async def shown(service: AuditProcess) -> str:
    async with tlog_client(service) as client:
        answer = await client.ask("/checkpoint")
        if answer.status == 404:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert json.loads(answer.body)["reason"] == "CHECKPOINT_NOT_COSIGNED"
            return ""
        return answer.body.decode()


def cosigned(note: str, witnesses: list[WitnessProcess]) -> int:
    return sum(WitnessKey.parse(witness.key).cosigned_at(note) is not None for witness in witnesses)


async def check_live(service: AuditProcess, asked: LogCheck) -> LogReport:
    with closing(live_source(service)) as source:
        return await asyncio.to_thread(check_log, source, asked)


async def until_shown(service: AuditProcess, witnesses: list[WitnessProcess], size: int, count: int = 2) -> None:
    async def reached() -> bool:
        note = await shown(service)
        return bool(note) and int(note.split("\n")[1]) == size and cosigned(note, witnesses) == count

    await poll(reached, pause=0.1)


async def test_what_is_shown_is_cosigned(
    service: AuditProcess, witnesses: list[WitnessProcess], key: LogKey, certificates: Any
) -> None:
    """A verifier can demand a quorum, ours as well as others', and a witness that was not asked does not count."""
    await append(service, *range(200))
    await until_shown(service, witnesses, 200)
    await append(service, *range(200, 300))
    await until_shown(service, witnesses, 300)
    keys = [WitnessKey.parse(witness.key) for witness in witnesses]
    asked = LogCheck(KeyRing.parse(key.verifier), tuple(keys), quorum=2)
    report = await check_live(service, asked)
    assert report.verified, report.findings
    assert report.witnesses == ("witness.test/w1", "witness.test/w2")

    flags = [part for witness in witnesses for part in ("-witness", witness.key)]
    answer = await Independent(certificates).check("note", service.tlog_url, [key.verifier], *flags)
    assert (answer["ok"], answer["signers"], answer["cosigned"]) == (True, 1, 2)

    stranger = WitnessKey("witness.test/w3", b"\0\0\0\0", bytes(32))
    asked = LogCheck(KeyRing.parse(key.verifier), (keys[0], keys[0], stranger), quorum=2)
    report = await check_live(service, asked)
    assert report.failed_parts() == {Part.COSIGNATURES}
    assert 'amas_audit_witness_answers_total{outcome="cosigned",witness="witness.test/w1"}' in await service.metrics()


async def test_appends_wait_for_no_witness(service: AuditProcess, witnesses: list[WitnessProcess]) -> None:
    """A witness that died holds nothing up but what is shown, which stays cosigned; back again, it is led on."""
    await append(service, *range(10))
    await until_shown(service, witnesses, 10)
    await witnesses[1].kill()
    for start in range(10, 400, 100):
        await append(service, *range(start, start + 100))

    async def noticed() -> bool:
        return 'outcome="away",witness="witness.test/w2"' in await service.metrics()

    await poll(noticed, pause=0.1)
    note = await shown(service)
    assert (note.split("\n")[1], cosigned(note, witnesses)) == ("10", 2)
    await service.kill()
    await service.start()
    note = await shown(service)
    assert (note.split("\n")[1], cosigned(note, witnesses)) == ("10", 2)
    await witnesses[1].start()
    await until_shown(service, witnesses, 410)


@pytest.mark.parametrize("size", [40, 50, 60])
async def test_a_fork_gets_no_name(
    service: AuditProcess,
    witnesses: list[WitnessProcess],
    certificates: Any,
    tmp_path: Path,
    database: Callable[[str], Any],
    size: int,
) -> None:
    """Whoever has the key and another database signs another past: no witness does, and it is said loudly."""
    await append(service, *range(50))
    await until_shown(service, witnesses, 50)
    await service.kill()
    other = LogDatabase.of(database("audit"))
    await asyncio.to_thread(migrate, other.owner_dsn)
    fork = AuditProcess(other, certificates, tmp_path / "key.pem", tmp_path / "fork.log", extra=service.extra)
    await fork.start()
    try:
        # Both are refused at the first question: they know more, or another tree.
        await append(fork, *range(1000, 1000 + size))

        async def refused() -> bool:
            metrics = await fork.metrics()
            return all(f'outcome="refused",witness="witness.test/{name}"' in metrics for name in ("w1", "w2"))

        await poll(refused, pause=0.1)
        assert await shown(fork) == ""
        assert "refuses the tree" in fork.log.read_text()
    finally:
        await fork.kill()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("http://127.0.0.1:1\n", "line 1: it is not a URL and a key"),
        ("http://127.0.0.1:1 name+00000000+AAAA\n", "line 1: a witness's key is an Ed25519 key of signature type 4"),
        ("", "WITNESS_QUORUM asks for 1 of 0 witnesses"),
    ],
)
async def test_witnesses_that_are_none_are_a_sentence(
    log_database: LogDatabase, certificates: Any, tmp_path: Path, content: str, sentence: str
) -> None:
    """The service does not start half witnessed."""
    (tmp_path / "witnesses").write_text(content)
    extra = {"WITNESSES_FILE": str(tmp_path / "witnesses")}
    service = AuditProcess(
        log_database, certificates, write_signing_key(tmp_path / "key.pem"), tmp_path / "log", extra=extra
    )
    process = await service.launch()
    async with asyncio.timeout(READY_TIMEOUT):
        assert await process.wait() == 2
    assert sentence in service.log.read_text()
