"""`archive`, `archive drop` and `amas audit verify --archive`, as operator and auditor type them, on real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from amas_audit.domain.signed_note import NoteSigner
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .dropping import LOCATION
from .logs import LogDatabase, cut
from .processes import ROOT, AuditProcess, Caller, request, write_signing_key

# A dozen programs, one after the other, each with a start of its own.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@dataclass
class Shell:
    """Runs both sides' commands."""

    service: AuditProcess
    home: Path
    archive: Path

    async def operator(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what `python -m amas_audit` says."""
        database = self.service.database
        more = {
            "ARCHIVE_DIR": str(self.archive),
            "ARCHIVE_LOCATION": LOCATION,
            "DROP_AFTER_DAYS": "0",
            "DROP_DATABASE_URL": database.url_of("dropper"),
            "DROP_DATABASE_PASSWORD_FILE": str(database.password_file_of("dropper")),
        }
        own = {f"AMAS_AUDIT_{name}": value for name, value in more.items()}
        return await self._run(["amas_audit", *arguments], {**self.service.environment(), **own}, ROOT)

    async def auditor(self, *arguments: str | Path) -> tuple[int, str]:
        """Exit code and what `amas audit` says."""
        files = self.service.certificates.files("auditor")
        come_as = ["--log", self.service.tlog_url, "--public-key", self.home / "audit.pub"]
        come_as += ["--ca", files.ca, "--cert", files.cert, "--cert-key", files.key]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        return await self._run(["amas_cli", "audit", *arguments, *come_as], environment, self.home)

    async def _run(self, arguments: list[Any], environment: dict[str, str], folder: Path) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *map(str, arguments), cwd=folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(120):
            said, _ = await process.communicate()
        assert b"Traceback" not in said, said.decode()
        return process.returncode or 0, said.decode()


async def test_a_log_and_its_archive_are_verified_as_one(
    log_database: LogDatabase, certificates: Any, tmp_path: Path
) -> None:
    """After a drop, under a running service: without the archive nothing counts as verified, with it all of it does."""

    await cut(log_database, 256, 256, 1024)
    key_file = write_signing_key(tmp_path / "key.pem")
    private: Any = load_pem_private_key(key_file.read_bytes(), None)
    signer = NoteSigner("amas.internal/audit", private)
    (tmp_path / "audit.pub").write_text(signer.verifier.encode() + "\n")
    service = AuditProcess(log_database, certificates, key_file, tmp_path / "log")
    shell = Shell(service, tmp_path, tmp_path / "archive")
    await service.start()
    caller = Caller.of(service, "policy-sidecar")
    try:
        for first in range(0, 600, 200):
            await caller.stub.Append(request(*range(first, first + 200)))
        code, said = await shell.operator("archive", "drop")
        assert (code, "run `archive`, and this again" in said) == (1, True), said
        for command in (("archive",), ("archive", "drop"), ("archive", "drop"), ("archive", "check")):
            code, said = await shell.operator(*command)
            assert code == 0, said
            assert "512 entries" in said
        await caller.stub.Append(request("later"))

        code, said = await shell.auditor("verify")
        assert code == 5, said
        assert f"entries 0 to 511, which are in the archive alone: {LOCATION}" in said
        assert "--archive" in said
        code, said = await shell.auditor("verify", "--archive", shell.archive)
        assert code == 0, said
        assert "603 entries" in said
        code, said = await shell.auditor("verify", "--tree-only")
        assert code == 0, said
        code, said = await shell.auditor("mirror", tmp_path / "copy", "--archive", shell.archive)
        assert code == 0, said

        bundle = shell.archive / "tile" / "entries" / "001"
        whole = bundle.read_bytes()
        bundle.write_bytes(whole.replace(b"event-300", b"event-30x"))
        code, said = await shell.auditor("verify", "--archive", shell.archive)
        assert code == 1, said
        assert "entry 300 is not the one whose hash stands in the tile" in said
        bundle.unlink()
        code, said = await shell.auditor("verify", "--archive", shell.archive)
        assert code == 5, said
        assert "has no tile/entries/001" in said
    finally:
        await caller.close()
        await service.kill()
