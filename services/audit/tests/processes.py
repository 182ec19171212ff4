"""The service as a process of its own, and clients that come to it as other services do."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas_chassis.channels import ClientChannels
from amas_chassis.tls import TlsFiles
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.ports import free_port

from .logs import LogDatabase

ROOT = Path(__file__).resolve().parents[3]
INTENT = "dev.amas.action.intent"
# The least that events of these types must say.
SAMPLES = {
    INTENT: '{"action":{"tool":"git/git_log"},"decision":{"effect":"allow","id":"1","reasons":[]}}',
    "dev.amas.run.started": '{"input_bytes":2,"orchestration":"o","orchestration_version":"1","requester":"developer"}',
    "dev.amas.run.ended": '{"orchestration":"o","state":"succeeded","usage":{}}',
}
# Seconds: to become ready, and to end after SIGTERM.
READY_TIMEOUT = 90.0
END_TIMEOUT = 60.0
# Seconds for an answer, and for a state to be reached: bounds of a hang, not of a machine with much else to do.
CALL_TIMEOUT = 60.0
POLL_TIMEOUT = 60.0


def write_signing_key(path: Path) -> Path:
    """A signing key as the local platform makes one."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def write_master_key(path: Path) -> Path:
    """A master key as the local platform makes one."""
    path.touch(mode=0o600)
    path.write_text(base64.b64encode(bytes(range(32))).decode() + "\n")
    return path


async def poll(reached: Callable[[], Awaitable[bool]], *, pause: float, seconds: float = POLL_TIMEOUT) -> None:
    """Ask until it is so; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await reached():  # noqa: ASYNC110 - the state of another process has no event
            await asyncio.sleep(pause)


@dataclass
class AuditProcess:
    """`python -m amas_audit`, which a test may kill and start again on the same port."""

    database: LogDatabase
    certificates: Any
    signing_key: Path | None
    log: Path
    extra: dict[str, str] = field(default_factory=dict)
    grpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    tlog_port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None
    # Module and its arguments: a test of faults has one of its own around the service.
    program: tuple[str, ...] = ("amas_audit",)

    def environment(self) -> dict[str, str]:
        """All that the process is told."""
        files = self.certificates.files("audit")
        values = {
            "GRPC_LISTEN": f"127.0.0.1:{self.grpc_port}",
            "HTTP_LISTEN": f"127.0.0.1:{self.http_port}",
            "TLOG_LISTEN": f"127.0.0.1:{self.tlog_port}",
            "TLS_CERT_FILE": str(files.cert),
            "TLS_KEY_FILE": str(files.key),
            "TLS_CA_FILE": str(files.ca),
            "DATABASE_URL": self.database.access.service_url,
            "DATABASE_PASSWORD_FILE": str(self.database.access.service_password_file),
            "SIGNING_KEY_FILE": str(self.signing_key or ""),
            "MASTER_KEY_FILE": str(write_master_key(self.log.with_name("master-key"))),
            "DRAIN_TIMEOUT": "30",
            **self.extra,
        }
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {f"AMAS_AUDIT_{name}": value for name, value in values.items()}

    @property
    def tlog_url(self) -> str:
        """Where its log is served."""
        return f"https://127.0.0.1:{self.tlog_port}"

    async def launch(self) -> asyncio.subprocess.Process:
        """Start the process without waiting for it."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self.program, env=self.environment(), cwd=ROOT, stdout=log, stderr=log
            )
        return self.process

    async def start(self) -> None:
        """Start the process and wait until it says that it is ready."""
        process = await self.launch()

        async def ready() -> bool:
            if process.returncode is not None:
                raise AssertionError(f"the service ended with {process.returncode}: {self.log.read_text()[-2000:]}")
            return await self.readiness() == 200

        await poll(ready, seconds=READY_TIMEOUT, pause=0.05)

    async def readiness(self) -> int:
        """Status of /readyz; 0 if nobody listens."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.http_port}/readyz") as answer,
            ):
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def metrics(self) -> str:
        """What Prometheus would scrape."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.http_port}/metrics") as answer,
        ):
            return await answer.text()

    async def kill(self) -> None:
        """End it without any warning."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask it to end; its exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        process = self.process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(how)
        async with asyncio.timeout(END_TIMEOUT):
            return await process.wait()


@dataclass
class Caller:
    """One of the other services, with its own certificate."""

    channels: ClientChannels
    client: Any

    @classmethod
    def of(cls, service: AuditProcess, name: str) -> Caller:
        """A caller that comes as `name`."""
        files = service.certificates.files(name)
        channels = ClientChannels(TlsFiles(files.cert, files.key, files.ca), caller=name)
        client = channels.client(
            audit_pb2_grpc.AuditServiceStub, f"127.0.0.1:{service.grpc_port}", "audit", default_timeout=CALL_TIMEOUT
        )
        return cls(channels, client)

    @property
    def stub(self) -> Any:
        """The current stub."""
        return self.client.stub

    async def close(self) -> None:
        """Hang up."""
        await self.channels.close()


def request(*numbers: int | str, fencing_token: int = 0, **fields: Any) -> audit_pb2.AppendRequest:
    """An Append of events whose ids come from `numbers`."""
    values: dict[str, Any] = {
        "type": INTENT,
        "tenant": "acme",
        "run_id": "run-1",
        "principal": "developer",
        "data_json": SAMPLES.get(fields.get("type", INTENT), "{}"),
    }
    events = []
    for number in numbers:
        made = audit_pb2.AuditEvent(id=f"event-{number}", **(values | fields))
        made.time.FromJsonString("2026-11-23T10:00:00Z")
        events.append(made)
    return audit_pb2.AppendRequest(events=events, fencing_token=fencing_token)
