"""A witness of the log, as somebody else installs it, and what its name under a checkpoint is good for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import node
from .helm import ROOT, Release
from .kube import Kube

NAME = "witness.example.org/w1"
PORT = 7070
CLAIM = "state-w1-witness-0"
COMMAND_TIMEOUT_S = 60.0


class Witness:
    """The chart in a namespace of its own, with a key of its own."""

    def __init__(self, kube: Kube, folder: Path) -> None:
        self.kube = kube
        self.release = Release("w1", kube.namespace, ROOT / "charts" / "witness", ())
        self._folder = folder
        self.key = self.new_key("witness.pem", NAME)

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://w1-witness.{self.kube.namespace}.svc:{PORT}"

    def new_key(self, file: str, name: str) -> str:
        """A private key in a file; answers its verifier key."""
        return run("amas_witness", "keygen", "--name", name, "--key", str(self._folder / file)).strip().splitlines()[-1]

    def prepare(self) -> None:
        """The namespace with restricted pods, the key as a Secret, and on the test cluster a volume for the state."""
        name = self.kube.namespace
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.kube.apply(json.dumps(namespace))
        self.kube.run("create", "secret", "generic", "witness-key", f"--from-file={self._folder / 'witness.pem'}")
        if node.is_ours():  # its volumes are made by hand
            node.make_volume(self.kube, name, CLAIM)

    def install(self, log: str, caller: str, tag: str) -> None:
        """For a log, by its verifier key, which a namespace may ask for cosignatures."""
        callers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": caller}}}]
        self.release.upgrade(
            {
                "name": NAME,
                "keySecret.name": "witness-key",
                "logs": [log],
                "tls.plaintext": True,
                "service.port": PORT,
                "networkPolicy.callers": callers,
                "image.tag": tag,
            }
        )
        self.kube.run("rollout", "status", "statefulset/w1-witness", "--timeout=120s", timeout=130)

    def remove(self) -> None:
        """Takes away whatever of it is there, its state too."""
        if self.release.installed():
            self.release.uninstall()
        name = self.kube.namespace
        self.kube.run("delete", "namespace", name, "--ignore-not-found", "--timeout", "100s")
        self.kube.run("delete", "persistentvolume", name, "--ignore-not-found", "--timeout", "60s")
        if node.is_ours():
            shutil.rmtree(node.volume_folder(name), ignore_errors=True)


@contextmanager
def prepared(kube: Kube, folder: Path) -> Iterator[Witness]:
    """A witness's namespace, which is gone at the end with everything in it."""
    witness = Witness(kube, folder)
    witness.remove()
    witness.prepare()
    try:
        yield witness
    finally:
        witness.remove()


def verified(file: Path, log: Path, *witnesses: str, quorum: int = 1) -> bool:
    """Whether `amas audit verify` accepts an export, demanding that so many of the witnesses have cosigned."""
    named = [part for witness in witnesses for part in ("--witness", witness)]
    command = ["audit", "verify", str(file), "--public-key", str(log), *named, "--quorum", str(quorum)]
    try:
        run("amas_cli", *command)
    except AssertionError as refused:
        print(f"  not accepted: {str(refused).strip().splitlines()[-1]}")
        return False
    return True


def run(module: str, *arguments: str) -> str:
    """Runs a program of ours; answers what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, (
        f"{module} {' '.join(arguments[:2])}: exit {done.returncode}: {done.stdout}{done.stderr}"
    )
    return done.stdout
