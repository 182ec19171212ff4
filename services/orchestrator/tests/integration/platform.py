"""The real orchestrator as processes of their own, on a real Postgres, with fake neighbours over real gRPC."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from amas.common.v1 import approval_pb2, identity_pb2, run_pb2
from amas.orchestrator.v1 import orchestrator_pb2 as pb
from amas.orchestrator.v1 import orchestrator_pb2_grpc
from amas_chassis.channels import ClientChannels

from tests.integration.ports import free_ports

from .. import resources
from .fake_services import Fakes
from .neighbours import Neighbours, tls_files

LEASE_SECONDS = 1.0
# The lease of a process that nobody is to take for dead while it lives, however little of the machine it gets.
HELD_SECONDS = "60"
# Bounds of a hang, not of a machine with much else to do. The first run of a process compiles its detectors.
START_SECONDS = 180.0
PATIENCE_SECONDS = 60.0

DEVELOPER = identity_pb2.Principal(subject="developer", issuer="https://issuer", tenant="acme", roles=["developer"])
MANAGER = identity_pb2.Principal(
    subject="release-manager",
    issuer="https://issuer",
    tenant="acme",
    roles=["approver"],
    groups=["release-managers"],
)


class Process:
    """One orchestrator process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, http: int, log: Path) -> None:
        self._process = process
        self.port = port
        self.http = http
        self.log = log

    @property
    def returncode(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.returncode

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Waits for the end; its exit code."""
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    async def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        await self.wait()


class Platform:
    """Starts processes, and speaks to them as the gateway does."""

    def __init__(
        self, neighbours: Neighbours, environment: dict[str, str], folder: Path, channels: ClientChannels
    ) -> None:
        self._neighbours = neighbours
        self.fakes = neighbours.fakes
        self.environment = environment
        self._folder = folder
        self._channels = channels
        self._processes: list[Process] = []

    async def start(self, **settings: str) -> Process:
        """A new process, ready."""
        started = await self.launch(**settings)
        await self.until(lambda: self._answers(started), f"process ready; log:\n{started.log}", START_SECONDS)
        return started

    async def launch(self, **settings: str) -> Process:
        """A new process, not waited for."""
        port, http = free_ports(2)
        environment = {
            **self.environment,
            "AMAS_ORCHESTRATOR_GRPC_LISTEN": f"127.0.0.1:{port}",
            "AMAS_ORCHESTRATOR_HTTP_LISTEN": f"127.0.0.1:{http}",
            **{f"AMAS_ORCHESTRATOR_{name}": value for name, value in settings.items()},
        }
        log = self._folder / f"orchestrator-{port}.log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "amas_orchestrator", env=environment, stdout=out, stderr=out
            )
        started = Process(process, port, http, log)
        self._processes.append(started)
        return started

    def stub(self, process: Process) -> Any:
        """The API of one process."""
        return self._channels.client(
            orchestrator_pb2_grpc.OrchestratorServiceStub,
            f"127.0.0.1:{process.port}",
            "orchestrator",
            default_timeout=PATIENCE_SECONDS,
        ).stub

    async def apply(self, process: Process, *texts: str) -> None:
        """Applies the tests' resources and more."""
        files = [{"name": f"{index}.yaml", "content": text} for index, text in enumerate([resources.ALL, *texts])]
        response = await self.stub(process).ApplyResources(pb.ApplyResourcesRequest(principal=DEVELOPER, files=files))
        assert not response.problems, response.problems

    async def run(self, process: Process, orchestration: str, input_json: str = '{"topic": "a"}', key: str = "") -> str:
        """Starts a run; its id."""
        request = pb.StartRunRequest(
            principal=DEVELOPER, orchestration=orchestration, input_json=input_json, idempotency_key=key
        )
        return str((await self.stub(process).StartRun(request)).run.id)

    async def get(self, process: Process, run_id: str) -> run_pb2.Run:
        """The run as it is."""
        response = await self.stub(process).GetRun(pb.GetRunRequest(principal=DEVELOPER, run_id=run_id))
        found: run_pb2.Run = response.run
        return found

    async def ended(self, process: Process, run_id: str, seconds: float = PATIENCE_SECONDS) -> run_pb2.Run:
        """The run, once it has ended."""
        return await self.reaches(process, run_id, lambda run: run.state >= run_pb2.RUN_STATE_SUCCEEDED, seconds)

    async def reaches(
        self,
        process: Process,
        run_id: str,
        there: Callable[[run_pb2.Run], bool],
        seconds: float = PATIENCE_SECONDS,
    ) -> run_pb2.Run:
        """The run, once something holds of it."""
        seen: list[run_pb2.Run] = []

        async def looked() -> bool:
            seen.append(await self.get(process, run_id))
            return there(seen[-1])

        await self.until(looked, f"{run_id}; log:\n{process.log}", seconds)
        return seen[-1]

    async def approval(self, process: Process, run_id: str) -> approval_pb2.Approval:
        """The pending approval of a run, once there is one."""
        seen: list[approval_pb2.Approval] = []

        async def asked() -> bool:
            request = pb.ListApprovalsRequest(
                principal=MANAGER, run_id=run_id, state=approval_pb2.APPROVAL_STATE_PENDING
            )
            seen.extend((await self.stub(process).ListApprovals(request)).approvals)
            return bool(seen)

        await self.until(asked, "a pending approval")
        return seen[0]

    async def decide(self, process: Process, approval: approval_pb2.Approval, *, approve: bool) -> None:
        """The release manager's answer."""
        request = pb.DecideApprovalRequest(
            principal=MANAGER, approval_id=approval.id, approve=approve, action_digest=approval.action_digest
        )
        await self.stub(process).DecideApproval(request)

    async def events(self, process: Process, run_id: str, after: int = 0) -> list[run_pb2.RunEvent]:
        """All events of a run, to its end."""
        request = pb.WatchRunRequest(principal=DEVELOPER, run_id=run_id, after_sequence=after)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [event async for event in self.stub(process).WatchRun(request)]

    async def told(self, process: Process, run_id: str, kind: str) -> None:
        """Waits for an event of this kind in what a watcher of the run is told."""
        request = pb.WatchRunRequest(principal=DEVELOPER, run_id=run_id)
        watch = self.stub(process).WatchRun(request)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for event in watch:
                    if event.HasField(kind):
                        return
        finally:
            watch.cancel()
        pytest.fail(f"{run_id} ended without {kind}; log:\n{process.log}")

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Waits for a condition, which may be a coroutine function; fails with `what`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline:
            held = condition()
            if asyncio.iscoroutine(held):
                held = await held
            if held:
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"never came: {what}")

    async def metric(self, process: Process, sample: str) -> float:
        """The value of one sample of a process's metrics; 0 while it is not there."""
        _, body = await _http_get(process.http, "/metrics")
        found = [line for line in body.splitlines() if line.startswith(sample)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    async def start_neighbours(self) -> None:
        """Starts audit, policy-sidecar and ai-router again, where they were."""
        await self._neighbours.start()

    async def stop_neighbours(self) -> None:
        """Stops all three at once."""
        await self._neighbours.stop()

    async def _answers(self, process: Process) -> bool:
        if process.returncode is not None:
            pytest.fail(f"the process ended with {process.returncode}: {process.log.read_text()[-3000:]}")
        try:
            status, _ = await _http_get(process.http, "/readyz")
        except OSError:
            return False
        return status == 200

    async def close(self) -> None:
        """Ends all processes."""
        for process in self._processes:
            if process.returncode is None:
                await process.kill()


@asynccontextmanager
async def platform(database: Any, certificates: Any, folder: Path) -> AsyncIterator[Platform]:
    """A migrated database, fake neighbours, and no process yet."""
    access = database("orchestrator")
    policies = folder / "policies"
    (policies / "build").mkdir(parents=True)
    (policies / "build" / "policy.wasm").write_bytes(b"\0asm")
    (policies / "access.rego").write_text("package amas\n")
    neighbours = Neighbours(Fakes(), certificates)
    await neighbours.start()
    own = tls_files(certificates, "orchestrator")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AMAS_")},
        "AMAS_ORCHESTRATOR_TLS_CERT_FILE": str(own.cert),
        "AMAS_ORCHESTRATOR_TLS_KEY_FILE": str(own.key),
        "AMAS_ORCHESTRATOR_TLS_CA_FILE": str(own.ca),
        "AMAS_ORCHESTRATOR_GRPC_LISTEN": "127.0.0.1:0",
        "AMAS_ORCHESTRATOR_HTTP_LISTEN": "127.0.0.1:0",
        "AMAS_ORCHESTRATOR_DATABASE_URL": access.service_url,
        "AMAS_ORCHESTRATOR_DATABASE_PASSWORD_FILE": str(access.service_password_file),
        "AMAS_ORCHESTRATOR_MIGRATION_DATABASE_URL": access.owner_url,
        "AMAS_ORCHESTRATOR_MIGRATION_DATABASE_PASSWORD_FILE": str(access.owner_password_file),
        "AMAS_ORCHESTRATOR_POLICY_TARGET": neighbours.addresses["policy-sidecar"],
        "AMAS_ORCHESTRATOR_AI_ROUTER_TARGET": neighbours.addresses["ai-router"],
        "AMAS_ORCHESTRATOR_AUDIT_TARGET": neighbours.addresses["audit"],
        "AMAS_ORCHESTRATOR_POLICY_DIR": str(policies),
        "AMAS_ORCHESTRATOR_LEASE_SECONDS": str(LEASE_SECONDS),
        "AMAS_ORCHESTRATOR_DRAIN_TIMEOUT": "5",
    }
    migration = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "amas_orchestrator", "migrate", env=environment
    )
    assert await migration.wait() == 0
    channels = ClientChannels(tls_files(certificates, "gateway"), "gateway")
    made = Platform(neighbours, environment, folder, channels)
    try:
        yield made
    finally:
        await made.close()
        await channels.close()
        await neighbours.stop()


async def _http_get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        if not head:
            raise ConnectionResetError(f"port {port} closed the connection without an answer")
        return int(head.split(" ", 2)[1]), body
    finally:
        writer.close()
