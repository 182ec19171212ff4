"""The audit log of a release as an outsider follows it: exports, checkpoints, and the served tree (tlog-tiles)."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from amas_cli.audit_log.check import LogCheck, check_log
from amas_cli.audit_log.report import LogReport
from amas_cli.audit_trail.keyring import KeyRing
from amas_cli.verifier import amas_verify

from .forward import forwarded
from .kube import Kube
from .platform import ClusterPlatform, NamedConnection
from .services import selector

PORT = 8444
EXPORT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Checkpoint:
    """What somebody keeps who saw the log: its signed head, and the key that signed it."""

    note: str
    key: str

    @property
    def size(self) -> int:
        """Entries of the signed tree."""
        return KeyRing.parse(self.key).open(self.note).checkpoint.size


def checkpoint(platform: ClusterPlatform) -> Checkpoint:
    """The newest one."""
    answer = platform.client("auditor").call("GET", "/audit/checkpoint")
    return Checkpoint(str(answer["checkpoint"]), str(answer["verifierKey"]))


def exported(platform: ClusterPlatform, run: str, file: Path) -> Path:
    """The audit trail of a run with its proofs, as `amas audit export` writes it."""
    client = platform.client("auditor")
    request = urllib.request.Request(f"{client.api}/audit/runs/{run}/export")
    request.add_header("Authorization", f"Bearer {client.token}")
    with urllib.request.urlopen(request, timeout=EXPORT_TIMEOUT_S) as answer:
        file.write_bytes(answer.read())
    return file


def verified(export: Path, key: str) -> str:
    """What the verifier of one file says, in a process that knows nothing of this project.

    Raises:
        AssertionError: it does not verify.
    """
    keys = export.with_suffix(".key")
    keys.write_text(f"{key}\n")
    command = [sys.executable, "-I", amas_verify.__file__, str(export), "--key", str(keys)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=EXPORT_TIMEOUT_S, check=False)
    assert done.returncode == amas_verify.VERIFIED, f"{export.name}: {done.stdout}{done.stderr}"
    return done.stdout.splitlines()[0]


def continues(kube: Kube, release: str, seen: Checkpoint) -> LogReport:
    """Rebuilds the served tree of hashes, and holds it against a checkpoint that was seen before."""
    keys = KeyRing.parse(seen.key)
    authority = kube.secret(f"{release}-audit-tls", "ca.crt")
    pod = kube.pods(selector("audit"))[0]["metadata"]["name"]
    with forwarded(kube, f"pod/{pod}", PORT) as port:
        name = f"{release}-audit.{kube.namespace}.svc"
        source = NamedSource(f"127.0.0.1:{port}", name, ssl.create_default_context(cadata=authority))
        return check_log(source, LogCheck(keys, last_seen=keys.open(seen.note), tree_only=True))


class NamedSource:
    """A log behind an address, with the certificate of a name that resolves in the cluster alone."""

    def __init__(self, address: str, name: str, trust: ssl.SSLContext) -> None:
        self._address = address
        self._name = name
        self._trust = trust

    def read(self, path: str) -> bytes | None:
        """The part of that name, or None if there is none.

        Raises:
            AssertionError: the log answered otherwise.
        """
        connection: http.client.HTTPSConnection = NamedConnection(self._address, self._name, self._trust)
        try:
            connection.request("GET", f"/{path}")
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status in (200, 404), f"{path}: {answer.status} {body[:200]!r}"
        return body if answer.status == 200 else None

    def close(self) -> None:
        """Nothing is open."""
