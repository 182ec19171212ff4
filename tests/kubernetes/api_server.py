"""A real etcd and kube-apiserver on free loopback ports, without nodes: what is refused is Kubernetes' word."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ETCD_READY_S = 60.0
API_READY_S = 180.0
STOP_S = 20.0
POLL_S = 0.1


def program() -> Path | None:
    """The program that is etcd, kube-apiserver and kubectl in one; None where it was not built."""
    given = os.environ.get("AMAS_KUBERNETES_PROGRAM")
    if given:
        return Path(given)
    return _newest("kubernetes-*/bin/hyper")


def definitions(part: str) -> list[Path]:
    """Definitions of custom resources that came with a part of the test cluster: `rollouts`, `keda`, `crds`."""
    folder = _newest(f"{part}-*/crds")
    return sorted(folder.glob("*.yaml")) if folder else []


def _newest(pattern: str) -> Path | None:
    cache = Path(os.environ.get("AMAS_CACHE_DIR") or Path.home() / ".cache" / "amas")
    built = sorted((cache / "cluster").glob(pattern), key=lambda path: path.stat().st_mtime)
    return built[-1] if built else None


@dataclass
class Result:
    """What a kubectl said."""

    code: int
    out: str
    err: str


@dataclass
class ApiServer:
    """The pair of servers. `admin` may do everything; those that `users` names have no rights of their own."""

    hyper: Path
    folder: Path
    users: Sequence[str] = ()
    url: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Starts both and waits until each is ready; raises RuntimeError with the end of its log."""
        client, peer, secure = _free_ports(3)
        self.url = f"https://127.0.0.1:{secure}"
        self._write_credentials()
        etcd, beside = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        self._spawn(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={beside}",
            f"--initial-advertise-peer-urls={beside}",
            f"--initial-cluster=default={beside}",
            "--unsafe-no-fsync",
        )
        self._wait("etcd", lambda: _answers(f"{etcd}/health"), ETCD_READY_S)
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={secure}",
            f"--cert-dir={self.folder}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'accounts.key'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
        )
        self._wait("kube-apiserver", self._ready, API_READY_S)

    def _ready(self) -> bool:
        return self.kubectl("get", "--raw", "/readyz").code == 0

    @contextmanager
    def away(self) -> Iterator[None]:
        """The API server is killed, and back at the end with all that it held."""
        killed = self._processes.pop()
        killed.kill()
        killed.wait(STOP_S)
        try:
            yield
        finally:
            _, name, *arguments = [str(argument) for argument in killed.args]  # type: ignore[union-attr]
            self._spawn(name, *arguments)
            self._wait(name, self._ready, API_READY_S)

    @contextmanager
    def controllers(self, *names: str) -> Iterator[None]:
        """Some of Kubernetes' controllers are at work beside the API server."""
        name = "kube-controller-manager"
        self._spawn(
            name,
            f"--kubeconfig={self.kubeconfig()}",
            f"--controllers={','.join(names)}",
            "--leader-elect=false",
            "--secure-port=0",
        )
        process = self._processes.pop()
        try:
            yield
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended by itself: {(self.folder / f'{name}.log').read_text()[-3000:]}")
        finally:
            process.kill()
            process.wait(STOP_S)

    def stop(self) -> None:
        """Stops both, the API server first."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S)

    def kubeconfig(self, user: str = "admin") -> Path:
        """File with the access of a user."""
        path = self.folder / f"{user}.kubeconfig"
        if not path.exists():
            path.write_text(
                "apiVersion: v1\nkind: Config\ncurrent-context: test\n"
                f"clusters: [{{name: test, cluster: {{server: '{self.url}', "
                f"certificate-authority: '{self.folder / 'apiserver.crt'}'}}}}]\n"
                f"users: [{{name: test, user: {{token: '{self.tokens[user]}'}}}}]\n"
                "contexts: [{name: test, context: {cluster: test, user: test, namespace: default}}]\n"
            )
            path.chmod(0o600)
        return path

    def kubectl(self, *arguments: str, given: str = "", user: str = "admin") -> Result:
        """Runs kubectl with `given` on its standard input."""
        done = subprocess.run(
            [str(self.hyper), "kubectl", f"--kubeconfig={self.kubeconfig(user)}", "--request-timeout=30s", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def _write_credentials(self) -> None:
        self.tokens = {user: secrets.token_hex(16) for user in ("admin", *self.users)}
        lines = [
            f'{token},{user},{user},"{"system:masters" if user == "admin" else user}"'
            for user, token in self.tokens.items()
        ]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n")
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [str(self.hyper), name, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _wait(self, name: str, ready, seconds: float) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + seconds
        while not ready():
            ended = self._processes[-1].poll()
            if ended is not None or time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                print(log[-4000:], file=sys.stderr)
                raise RuntimeError(f"{name} did not become ready (exit code {ended}); the end of its log is above")
            time.sleep(POLL_S)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
