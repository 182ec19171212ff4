"""A real OPA beside the parts of the sidecar that work with it, wired as the service wires them."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from amas_chassis.clock import ManualClock, SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_policy_sidecar.adapters.opa_engine import OpaEngine
from amas_policy_sidecar.adapters.opa_revisions import OpaRevisions
from amas_policy_sidecar.adapters.opa_signatures import BundleSigner
from amas_policy_sidecar.domain.engine_reports import AwaitedLogs
from amas_policy_sidecar.domain.model import Event
from amas_policy_sidecar.entrypoints.opa_api import OpaApi
from amas_policy_sidecar.ports import AppendAnswer
from amas_policy_sidecar.telemetry import Instruments
from amas_policy_sidecar.usecases.await_engine_logs import AwaitEngineLogs
from amas_policy_sidecar.usecases.record_engine_decisions import RecordEngineDecisions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from ..ports import free_port

SHIPPED = Path(__file__).resolve().parents[3] / "services" / "policy-sidecar" / "opa"
# Seconds that a condition may take on a busy machine.
PATIENCE = 60.0


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; TimeoutError after PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.02)


def make_key(folder: Path, name: str) -> tuple[Path, Path]:
    """A fresh key on P-256: the files of its private and its public half."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


class OpaProcess:
    """An OPA under the configuration that the project ships, which a test can stop and start again."""

    def __init__(self, folder: Path, api: str, keys: Mapping[str, Path]) -> None:
        self.socket = folder / "opa.sock"
        self._folder, self._api, self.keys = folder, api, dict(keys)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; it connects by itself."""
        opa = shutil.which("opa")
        assert opa, "no `opa` on the PATH: run `make test`, which builds the pinned one"
        self.socket.unlink(missing_ok=True)
        keys = [flag for name, file in self.keys.items() for flag in ("--set-file", f"keys.{name}.key={file}")]
        algorithms = [flag for name in self.keys for flag in ("--set", f"keys.{name}.algorithm=ES256")]
        command = [opa, "run", "--server", "--addr", f"unix://{self.socket}", "--unix-socket-perm", "600"]
        command += ["--authorization", "basic", "--config-file", str(SHIPPED / "config.yaml"), *keys, *algorithms]
        command += ["--skip-version-check", "--log-level", "error", str(SHIPPED / "authorization.rego")]
        with (self._folder / "opa.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(SHIPPED / "log_mask.rego")],
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "AMAS_OPA_SIDECAR_URL": f"http://{self._api}",
                    "AMAS_OPA_TOKEN_FILE": str(self._folder / "token"),
                },
            )

    def stop(self) -> None:
        """Stops it and waits until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None


class Audit:
    """Keeps what is appended, each event once however often OPA sends it, unless it is away or refuses."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.away = False
        self.turned_away = 0

    async def append(self, events: Sequence[Event], *, fencing_token: int = 0) -> AppendAnswer:
        if self.away:
            self.turned_away += 1
            raise AmasError(ErrorKind.UNAVAILABLE, "AUDIT_UNAVAILABLE", "away")
        known = {event.id for event in self.events}
        self.events.extend(event for event in events if event.id not in known)
        return AppendAnswer(recorded=True, duplicate=False)

    async def find(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return {}


class Beside:
    """OPA, and the sidecar's side of it."""

    def __init__(self, folder: Path, clock: ManualClock | None = None) -> None:
        self.folder, self.clock = folder, clock or SystemClock()
        (folder / "token").write_text(secrets.token_urlsafe(32))
        self.private, self.public = make_key(folder, "amas")
        self.listen = f"127.0.0.1:{free_port()}"
        self.opa = OpaProcess(folder, self.listen, {"amas": self.public})
        self.audit = Audit()
        self.registry = CollectorRegistry()
        self._instruments = Instruments(self.registry)
        self.renew()

    def renew(self, key_id: str = "amas") -> None:
        """A fresh sidecar's side, as after its restart."""
        self.awaited = AwaitedLogs()
        self.revisions = OpaRevisions(BundleSigner(self.private, key_id), self.clock)
        self.awaiting = AwaitEngineLogs(self.awaited, self.clock, self._instruments)
        self.engine = OpaEngine(
            self.opa.socket,
            self.revisions,
            on_answer=self.awaiting.answered,
            on_fault=self._instruments.engine_fault,
        )
        record = RecordEngineDecisions(self.audit, self.awaited, self._instruments)
        token = self.folder / "token"
        self.api = OpaApi(self.listen, token, self.revisions, record, self.awaited, self._instruments)

    async def start(self) -> None:
        """Starts both and waits until OPA is well."""
        await self.api.start()
        self.opa.start()
        await self.well()

    async def stop(self) -> None:
        """Stops both."""
        self.opa.stop()
        await self.stop_sidecar()

    async def stop_sidecar(self) -> None:
        """Stops the sidecar's side alone, without waiting for logs."""
        self.awaited.__init__()  # type: ignore[misc]
        await self.engine.close()
        await self.api.close()

    async def well(self) -> None:
        """Returns once the engine's check passes."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.engine.check()
                except AmasError:
                    await asyncio.sleep(0.02)
                else:
                    return

    def counted(self, name: str, **labels: str) -> float:
        """Value of a counter."""
        return self.registry.get_sample_value(f"{name}_total", labels) or 0.0
