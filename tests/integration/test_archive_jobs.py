"""The charts' jobs on the log's archive, run as their pods run them: told the same, with the files that those mount.

No cluster is needed; where one is, tests/cluster/test_proof_8_archive.py runs them in it.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from amas_audit.adapters.migrate import migrate
from amas_audit.adapters.postgres_pool import open_pool
from amas_audit.domain.signed_note import NoteSigner
from amas_chassis.settings import EXIT_SETTINGS
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.audit.tests.dropping import grow
from services.audit.tests.logs import LogDatabase, open_log
from services.audit.tests.processes import write_signing_key

from ..audit_partitions import cut
from ..charts import ROOT, built, documents, program, run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
VALUES = ROOT / "charts" / "audit" / "ci" / "archive.yaml"
ORIGIN = "amas.internal/audit"
FULL = 512
RUN_TIMEOUT_S = 120
AT_ONCE = "archive.drop.afterDays=0"


@dataclass(frozen=True)
class Done:
    """A job's end: exit code and log."""

    code: int
    said: str


class Jobs:
    """Both jobs, as the chart renders them, on a volume and a database of the test's."""

    def __init__(self, folder: Path, database: LogDatabase, secrets: dict[str, dict[str, str]]) -> None:
        chart = built() / "charts" / "audit"
        text = run(program("helm"), "template", "amas", str(chart), "--values", str(VALUES), "--set", AT_ONCE)
        jobs = [one for one in documents(text) if one["kind"] == "CronJob"]
        self.pods = {one["metadata"]["name"]: one["spec"]["jobTemplate"]["spec"]["template"]["spec"] for one in jobs}
        self.volume = folder / "volume"
        self.volume.mkdir()
        self._folder = folder
        self._secrets = secrets
        place = urlsplit(database.service_dsn)
        self._database = f"@{place.hostname}:{place.port}{place.path}?"

    def run(self, name: str, without: str = "") -> Done:
        """Runs a job; `without` one of its Secrets, by the volume's name."""
        (container,) = self.pods[name]["containers"]
        root = self._folder / f"{name}-{without}"
        self._mount(self.pods[name]["volumes"], container["volumeMounts"], root, without)
        told = {item["name"]: self._moved(item["value"], root) for item in container["env"]}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "amas_audit", *container["args"]],
            env={"PATH": os.environ["PATH"], **told, "HOME": str(root), "AMAS_AUDIT_START_TIMEOUT": "20"},
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return Done(done.returncode, done.stdout)

    def _mount(self, volumes: list[dict[str, Any]], mounts: list[dict[str, Any]], root: Path, without: str) -> None:
        by_name = {volume["name"]: volume for volume in volumes}
        for mount in mounts:
            volume, place = by_name[mount["name"]], root / mount["mountPath"].removeprefix("/")
            if place.is_symlink() or place.exists():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if "persistentVolumeClaim" in volume:
                place.symlink_to(self.volume)
                continue
            place.mkdir()
            if "secret" in volume and volume["name"] != without:
                for key, content in self._secrets[volume["secret"]["secretName"]].items():
                    (place / key).touch(mode=0o600)
                    (place / key).write_text(content)

    def _moved(self, value: str, root: Path) -> str:
        """A value with the test's places instead of the pod's."""
        value = value.replace("@postgres:5432/amas?", self._database)
        return f"{root}{value}" if value.startswith(("/etc/amas/", "/var/lib/amas/")) else value


def judged(folder: Path, key: Path) -> Done:
    """What the verifier says of an archive, who has its folder and the log's key alone."""
    command = ["audit", "verify", "--log", str(folder), "--public-key", str(key)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(key.parent), "LANG": "C.UTF-8", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "amas_cli", *command],
        env=environment, cwd=key.parent, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout + done.stderr)


async def test_the_jobs_archive_and_drop_with_what_they_mount(database: Callable[[str], Any], tmp_path: Path) -> None:
    """Nothing while no partition is full; then the full one and no more; and each Secret that they mount is needed."""
    made = LogDatabase.of(database("audit"))
    migrate(made.owner_dsn)
    pem = write_signing_key(tmp_path / "signing.pem")
    private: Any = load_pem_private_key(pem.read_bytes(), None)
    signer = NoteSigner(ORIGIN, private)
    key = tmp_path / "audit.pub"
    key.write_text(signer.verifier.encode() + "\n")
    secrets = {
        "amas-postgres-audit": {"password": made.access.service_password_file.read_text()},
        "amas-postgres-audit-dropper": {"password": made.password_file_of("dropper").read_text()},
        "amas-audit-signing-key": {"signing.pem": pem.read_text()},
        "amas-audit-master-key": {"master.key": base64.b64encode(bytes(range(32, 64))).decode() + "\n"},
    }
    jobs = Jobs(tmp_path, made, secrets)
    assert sorted(jobs.pods) == ["amas-audit-archive", "amas-audit-archive-drop"]
    pool = await open_pool(made.service_dsn, connections=4, start_timeout=60)
    try:
        wired = await open_log(pool, signer)
        await grow(wired.log, 0, 600)
        nothing = jobs.run("amas-audit-archive")
        assert (nothing.code, "0 entries are archived" in nothing.said) == (0, True), nothing
        assert not list(jobs.volume.rglob("checkpoint"))

        owner = await asyncpg.connect(made.owner_dsn)
        await cut(owner, FULL)
        await owner.close()
        await grow(wired.log, 600, 700)
        early = jobs.run("amas-audit-archive-drop")
        assert (early.code, "run `archive`, and this again" in early.said) == (1, True), early

        for name, pod in jobs.pods.items():
            mounted = [volume["name"] for volume in pod["volumes"] if "secret" in volume]
            assert mounted
            for volume in mounted:
                refused = jobs.run(name, without=volume)
                assert refused.code == EXIT_SETTINGS, (volume, refused)

        archived = jobs.run("amas-audit-archive")
        assert (archived.code, f"{FULL} entries are archived" in archived.said) == (0, True), archived
        verdict = judged(jobs.volume / "log", key)
        assert (verdict.code, f"{FULL} entries" in verdict.said) == (0, True), verdict
        dropped = jobs.run("amas-audit-archive-drop")
        assert (dropped.code, f"{FULL} entries are in the archive alone" in dropped.said) == (0, True), dropped
        assert await pool.fetchval('SELECT min("index") FROM audit.entry') == FULL
        again = jobs.run("amas-audit-archive")
        assert (again.code, f"{FULL} entries are archived" in again.said) == (0, True), again
    finally:
        await pool.close()
