"""`amas audit verify --log`, `mirror` and `consistency`, as an auditor types them, against a real process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.tlogs import LogKey, checkpoint, flip, leaf

from .logs import LogDatabase
from .processes import AuditProcess, Caller, request, write_signing_key

# Up to ten programs a test, each with a start of its own.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@dataclass
class Auditor:
    """Somebody with a shell, the public key and a certificate."""

    service: AuditProcess
    home: Path
    caller: Caller

    async def run(self, *arguments: str | Path, come_as: str = "auditor") -> tuple[int, str, str]:
        """Exit code, standard output and error of `amas audit ...`."""
        files = self.service.certificates.files(come_as or "audit")
        more: list[str | Path] = ["--public-key", self.home / "audit.pub"]
        if self.service.tlog_url in arguments:
            more += ["--ca", files.ca]
            more += ["--cert", files.cert, "--cert-key", files.key] if come_as else []
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "amas_cli", "audit", *map(str, (*arguments, *more)),
            cwd=self.home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, errors = await process.communicate()
        assert "Traceback" not in errors.decode()
        return process.returncode or 0, out.decode(), errors.decode()

    async def append(self, *numbers: int) -> None:
        await self.caller.stub.Append(request(*numbers))


@pytest.fixture
async def auditor(log_database: LogDatabase, certificates: Any, tmp_path: Path) -> AsyncIterator[Auditor]:
    """An auditor of a log of 300 entries."""
    key_file = write_signing_key(tmp_path / "key.pem")
    service = AuditProcess(log_database, certificates, key_file, tmp_path / "log")
    await service.start()
    private: Any = load_pem_private_key(key_file.read_bytes(), None)
    (tmp_path / "audit.pub").write_text(LogKey(private=private).verifier + "\n")
    made = Auditor(service, tmp_path, Caller.of(service, "orchestrator"))
    await made.append(*range(150))
    await made.append(*range(150, 300))
    yield made
    await made.caller.close()
    await service.kill()


async def test_a_live_log_is_verified_and_remembered(auditor: Auditor) -> None:
    """The second look continues the first, and says so; the memory is nobody's but the auditor's."""
    url = auditor.service.tlog_url
    code, out, _ = await auditor.run("verify", "--log", url)
    assert code == 0, out
    assert "log amas.internal/audit verified: a tree of 300, 300 entries, 1 runs" in out
    await auditor.append(*range(300, 400))
    code, out, _ = await auditor.run("verify", "--log", url, "--output", "json")
    report = json.loads(out)
    assert (code, report["verdict"], report["treeSize"], report["consistentWith"]) == (0, "verified", 400, 300)
    kept = list((auditor.home / ".local" / "state" / "amas" / "audit-seen").iterdir())
    assert [file.read_text().split("\n")[1] for file in kept] == ["400"]

    # The log of somebody who remembers more than there is: what was kept stays as it is.
    private: Any = load_pem_private_key((auditor.home / "key.pem").read_bytes(), None)
    later = checkpoint([leaf(number) for number in range(401)], LogKey(private=private))
    kept[0].write_text(later)
    code, out, _ = await auditor.run("verify", "--log", url)
    assert code == 1
    assert "rolled back" in out
    assert kept[0].read_text() == later


async def test_who_may_not_read_entries_follows_the_tree(auditor: Auditor) -> None:
    """A refusal says what to do, and the tree can be checked without entries."""
    url = auditor.service.tlog_url
    for come_as in ("", "gateway"):
        code, _, errors = await auditor.run("verify", "--log", url, come_as=come_as)
        assert code == 4
        assert "--tree-only" in errors
        code, out, _ = await auditor.run("verify", "--log", url, "--tree-only", come_as=come_as)
        assert code == 0, out
        assert "its hashes alone were read" in out


async def test_a_copy_is_verified_offline_and_compared(auditor: Auditor) -> None:
    """What was copied holds without the service, and any two checkpoints of it are compared."""
    url, copy = auditor.service.tlog_url, auditor.home / "copy"
    code, out, _ = await auditor.run("mirror", copy, "--log", url)
    assert code == 0, out
    older = auditor.home / "older"
    older.write_text((copy / "checkpoint").read_text())
    await auditor.append(*range(300, 550))
    assert (await auditor.run("mirror", copy, "--log", url))[0] == 0
    await auditor.service.kill()

    code, out, _ = await auditor.run("verify", copy)
    assert code == 0, out
    code, out, _ = await auditor.run("consistency", older, copy / "checkpoint", "--log", copy)
    assert code == 0, out
    code, _, errors = await auditor.run("consistency", older, copy / "checkpoint")
    assert code == 2
    assert "--log" in errors
    flip("tile/0/001", 0)(copy)
    assert (await auditor.run("verify", copy))[0] == 1
    assert (await auditor.run("consistency", older, copy / "checkpoint", "--log", copy))[0] == 1
    code, _, errors = await auditor.run("verify", "--log", url)
    assert code == 5
    assert "does not answer" in errors


async def test_what_cannot_be_checked_is_a_sentence(auditor: Auditor) -> None:
    """Wrong words on the command line give one error and a next step."""
    url = auditor.service.tlog_url
    wrong: list[tuple[str | Path, ...]] = [
        ("verify",),
        ("verify", auditor.home, "--log", url),
        ("verify", "--log", auditor.home / "nowhere"),
        ("verify", "--log", url, "--quorum", "1"),
        ("verify", "--log", url, "--witness", "nonsense+1+x"),
        ("verify", auditor.home / "audit.pub", "--quorum", "1"),
        ("consistency", auditor.home / "absent", auditor.home / "absent"),
    ]
    for arguments in wrong:
        code, _, errors = await auditor.run(*arguments)
        assert code == 2, (arguments, errors)
        assert errors.startswith("error: ")
