"""The archive of a release's log on a cluster: its volume, jobs by hand, and a copy as an auditor gets one."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from . import node
from .helm import ROOT
from .kube import Kube

READER = ROOT / "deploy" / "archive" / "reader.yaml"
POD = "amas-archive-reader"
# As in docs/runbooks/archive-and-drop.md.
COPY = """import sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as copy: copy.add("/archive/log", "records")"""
JOB_TIMEOUT_S = 120.0
COPY_TIMEOUT_S = 60.0


class Archive:
    """Of one release. What is dropped is there alone, so that nothing here takes the claim or its volume away."""

    def __init__(self, kube: Kube, release: str) -> None:
        self._kube = kube
        self._release = release
        self.claim = f"{release}-audit-archive"
        self.cron_jobs = (self.claim, f"{self.claim}-drop")

    def prepare(self) -> None:
        """On the test cluster, whose volumes are made by hand: one for the chart's claim."""
        name = f"{self._kube.namespace}-archive"
        if not node.is_ours() or self._kube.exists("persistentvolumeclaim", self.claim):
            return
        # One that another claim had is never bound again.
        self._kube.run("delete", "persistentvolume", name, "--ignore-not-found", "--timeout", "60s")
        node.make_volume(self._kube, name, self.claim)

    def run(self, cron_job: str) -> str:
        """Runs a job by hand; answers its log.

        Raises:
            AssertionError: it did not end well.
        """
        name = f"{cron_job}-now"
        self._kube.run("delete", "job", name, "--ignore-not-found", "--timeout", "60s")
        self._kube.run("create", "job", name, f"--from=cronjob/{cron_job}")
        ended = self._kube.until(f"the end of {name}", lambda: _ended(self._kube.get("job", name)), JOB_TIMEOUT_S)
        said = self._kube.run("logs", f"job/{name}")
        assert ended == "Complete", f"{name}: {ended}: {said}"
        return said

    def copied(self, image: str, folder: Path) -> Path:
        """The archive's folder, copied out through a pod that reads the volume, as the runbook has it."""
        manifest, changed = re.subn(r"^(\s+image:) .*$", rf"\1 {image}", READER.read_text(), flags=re.MULTILINE)
        assert changed == 1
        self._kube.apply(manifest.replace("claimName: amas-audit-archive", f"claimName: {self.claim}"))
        try:
            self._kube.run("wait", f"pod/{POD}", "--for=condition=Ready", "--timeout=60s")
            command = ["kubectl", "--namespace", self._kube.namespace, "exec", POD, "--", "/app/bin/python", "-c", COPY]
            with (folder / "records.tar").open("wb") as copy:
                done = subprocess.run(
                    command, stdout=copy, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=COPY_TIMEOUT_S,
                    check=False,
                )  # fmt: skip
            assert done.returncode == 0, done.stderr.decode()
        finally:
            self._kube.run("delete", "pod", POD, "--ignore-not-found", "--timeout", "60s")
        with tarfile.open(folder / "records.tar") as copied:
            copied.extractall(folder, filter="data")
        return folder / "records"


def _ended(job: dict[str, Any]) -> str | None:
    conditions = job.get("status", {}).get("conditions", [])
    found = {one["type"] for one in conditions if one["status"] == "True"}
    return next((end for end in ("Complete", "Failed") if end in found), None)
