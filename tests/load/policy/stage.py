"""What is measured, as processes: the policy-sidecar as it ships, an empty service with the same layers, and an OPA."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from amas_chassis.tls import TlsFiles
from amas_cli.local.authority import ensure_authority, issue_certificate
from amas_cli.local.database_setup import ensure_password
from amas_cli.local.embedded_valkey import EmbeddedValkey

from ...waiting import wait_for
from ..router.processes import free_port, running

POLICIES = Path(__file__).resolve().parents[3] / "policies"
START_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Stage:
    """Everything that runs."""

    folder: Path
    sidecar: psutil.Process
    echo: psutil.Process
    opa: psutil.Process
    opa_url: str

    @property
    def sidecar_target(self) -> str:
        """Where the sidecar listens."""
        return f"unix:{self.folder}/policy.sock"

    @property
    def echo_target(self) -> str:
        """Where the empty service listens."""
        return f"unix:{self.folder}/echo.sock"

    def tls(self, service: str) -> TlsFiles:
        """A service's certificate."""
        return tls_files(self.folder, service)


def tls_files(folder: Path, service: str) -> TlsFiles:
    """A service's certificate of the authority in the folder."""
    files = issue_certificate(folder / "certificates", service)
    return TlsFiles(cert=files.cert, key=files.key, ca=files.ca)


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Runs it all while the context is open. Raises NotStartedError."""
    ensure_authority(folder / "certificates")
    with contextlib.ExitStack() as stack:
        valkey = _valkey(folder)
        stack.callback(valkey.stop)
        sidecar = stack.enter_context(
            running(
                [sys.executable, "-m", "amas_policy_sidecar"],
                folder / "sidecar.log",
                environment=_environment(folder, valkey),
            )
        )
        echo = stack.enter_context(
            running([sys.executable, "-m", "tests.load.policy.echo", str(folder)], folder / "echo.log")
        )
        port = free_port()
        opa = stack.enter_context(running(_opa(port), folder / "opa.log", ready_port=port))
        sockets = [folder / name for name in ("policy.sock", "echo.sock")]
        wait_for("both services listen", lambda: all(path.exists() for path in sockets) or None, START_TIMEOUT_S)
        yield Stage(folder, *(psutil.Process(one.pid) for one in (sidecar, echo, opa)), f"http://127.0.0.1:{port}")


def _valkey(folder: Path) -> EmbeddedValkey:
    password = folder / "valkey-password"
    ensure_password(password)
    server = EmbeddedValkey(folder / "valkey", free_port(), password_file=password, log_file=folder / "valkey.log")
    server.start()
    return server


def _environment(folder: Path, valkey: EmbeddedValkey) -> dict[str, str]:
    files = tls_files(folder, "policy-sidecar")
    settings = {
        "GRPC_LISTEN": f"unix:{folder}/policy.sock",
        "HTTP_LISTEN": f"127.0.0.1:{free_port()}",
        "TLS_CERT_FILE": files.cert,
        "TLS_KEY_FILE": files.key,
        "TLS_CA_FILE": files.ca,
        "REDIS_URL": f"redis://127.0.0.1:{valkey.port}/0",
        "REDIS_PASSWORD_FILE": valkey.password_file,
        # A dry run records nothing, so that nobody needs to be there.
        "AUDIT_TARGET": f"127.0.0.1:{free_port()}",
        "TOOLS_WORKDIR": folder / "work",
        "SANDBOX": "best-effort",
    }
    return {f"AMAS_POLICY_SIDECAR_{name}": str(value) for name, value in settings.items()}


def _opa(port: int) -> list[str]:
    program = shutil.which("opa")
    if program is None:
        raise RuntimeError("there is no `opa` on the PATH: run `make opa`")
    modules = sorted(str(path) for path in POLICIES.rglob("policy.rego"))
    flags = ["--addr", f"127.0.0.1:{port}", "--log-level", "error", "--disable-telemetry"]
    return [program, "run", "--server", *flags, *modules]
