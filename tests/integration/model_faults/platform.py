"""A real ai-router with real stores of its own, stand-ins for audit and policy, and a provider that misbehaves."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import grpc
import orjson
from amas.router.v1 import router_pb2 as pb
from amas.router.v1 import router_pb2_grpc
from amas_chassis.channels import ClientChannels
from amas_chassis.tls import TlsFiles
from amas_cli.local.database_setup import DatabaseAccess
from amas_cli.local.embedded_postgres import EmbeddedPostgres
from amas_cli.local.embedded_valkey import EmbeddedValkey
from amas_governance.bundle import Bundle

from tests.fault_server import Connection, FaultServer, Request
from tests.integration.ports import free_ports

from .calls import PATIENCE, Call, Seen, make_call
from .provider_scripts import SCRIPTS, Gate, good
from .router_process import SKEW_SECONDS
from .routes import BUDGET, GATED_BEFORE, GATED_WITHIN, GOOD, slug
from .slow_link import SlowLink
from .stand_ins import Audit, StandIn

T = TypeVar("T")
ROUTER_MODULE = f"{__package__}.router_process"
ROOT = Path(__file__).parents[3]
READY_SECONDS = 90.0
# What goes on in the background is done within this; a dead process's lease (15 s) and a lost store's grace included.
SETTLED_SECONDS = 60.0
POLL_SECONDS = 0.02
# Small, so that an endless body ends soon.
MAX_RESPONSE_BYTES = 256 * 1024


async def until(what: str, look: Callable[[], Awaitable[T | None]], seconds: float = SETTLED_SECONDS) -> T:
    """Looks until there is an answer; away is no answer. Raises AssertionError when the time is over."""
    last: object = None
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        try:
            found = await look()
        except (grpc.aio.AioRpcError, OSError, asyncpg.PostgresError) as error:
            found, last = None, error
        if found is not None:
            return found
        await asyncio.sleep(POLL_SECONDS)
    raise AssertionError(f"not within {seconds:.0f} s: {what} (last: {last!r})")


@dataclass(frozen=True, slots=True)
class Budget:
    """A tenant's tokens of the budget."""

    used: int
    reserved: int


@dataclass
class Router:
    """One process of the service; the stub speaks to it as the gateway does, which sends a call once."""

    process: asyncio.subprocess.Process
    stub: Any
    log: Path

    async def kill(self) -> None:
        """Ends it without a word."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@dataclass
class Platform:
    """Everything around the routers, and the routers; `folder` is for their logs."""

    folder: Path
    certificates: Any
    access: DatabaseAccess
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    redis_link: SlowLink
    provider: FaultServer
    audit: Audit
    audit_server: StandIn
    policy_server: StandIn
    bundle: Bundle
    gate: Gate = field(default_factory=Gate)
    routers: list[Router] = field(default_factory=list)
    _channels: list[ClientChannels] = field(default_factory=list)
    _skewed: dict[int, Router] = field(default_factory=dict)
    _tenants: int = 0

    def environment(self) -> dict[str, str]:
        """Settings of one more router."""
        own = self.certificates.files("ai-router")
        grpc_port, http_port = free_ports(2)
        settings = {
            "GRPC_LISTEN": f"127.0.0.1:{grpc_port}",
            "HTTP_LISTEN": f"127.0.0.1:{http_port}",
            "TLS_CERT_FILE": own.cert,
            "TLS_KEY_FILE": own.key,
            "TLS_CA_FILE": own.ca,
            "DATABASE_URL": self.access.service_url,
            "DATABASE_PASSWORD_FILE": self.access.service_password_file,
            "MIGRATION_DATABASE_URL": self.access.owner_url,
            "MIGRATION_DATABASE_PASSWORD_FILE": self.access.owner_password_file,
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_link.port}/0",
            "REDIS_PASSWORD_FILE": self.valkey.password_file,
            "POLICY_TARGET": self.policy_server.address,
            "AUDIT_TARGET": self.audit_server.address,
            "MAX_RESPONSE_BYTES": MAX_RESPONSE_BYTES,
            "LOG_LEVEL": "warning",
        }
        return os.environ | {f"AMAS_AI_ROUTER_{name}": str(value) for name, value in settings.items()}

    async def migrate(self) -> None:
        """Makes the tables."""
        command = (sys.executable, "-m", "amas_ai_router", "migrate")
        process = await asyncio.create_subprocess_exec(*command, env=self.environment())
        assert await process.wait() == 0

    async def start(self, **more: str) -> Router:
        """One more router, ready."""
        environment = self.environment() | more
        log = self.folder / f"router-{environment['AMAS_AI_ROUTER_GRPC_LISTEN'].rpartition(':')[2]}.log"
        command = (sys.executable, "-m", ROUTER_MODULE)
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, env=environment, cwd=ROOT, stdout=output, stderr=output
            )
        files = self.certificates.files("gateway")
        channels = ClientChannels(TlsFiles(files.cert, files.key, files.ca), "gateway")
        self._channels.append(channels)
        address = environment["AMAS_AI_ROUTER_GRPC_LISTEN"]
        client = channels.mux_client(router_pb2_grpc.RouterServiceStub, address, "ai-router")
        router = Router(process, client.stub, log)
        self.routers.append(router)
        await self._ready(router, channels.client(router_pb2_grpc.RouterServiceStub, address, "ai-router").stub)
        return router

    async def skewed(self, seconds: int) -> Router:
        """The one router whose wall clock is off by so much."""
        if seconds not in self._skewed:
            self._skewed[seconds] = await self.start(**{SKEW_SECONDS: str(seconds)})
        return self._skewed[seconds]

    async def _ready(self, router: Router, unary: Any) -> None:
        """Loads the bundle as soon as the process takes it."""
        request = pb.LoadBundleRequest(digest=self.bundle.digest, content=self.bundle.content)
        loading = asyncio.ensure_future(unary.LoadBundle(request, timeout=READY_SECONDS, wait_for_ready=True))
        ended = asyncio.ensure_future(router.process.wait())
        await asyncio.wait((loading, ended), return_when=asyncio.FIRST_COMPLETED)
        assert not ended.done(), "the service ended at once"
        ended.cancel()
        await loading

    async def close(self) -> None:
        """Ends the routers and our side of everything."""
        for channels in self._channels:
            await channels.close()
        for router in self.routers:
            await router.kill()

    def beside(self, bundle: Bundle) -> Platform:
        """Another platform on the same stores, stand-ins and provider, with routers and a bundle of its own."""
        return replace(self, bundle=bundle, routers=[], _channels=[], _skewed={})

    async def answer(self, connection: Connection, request: Request) -> None:
        """The provider's script: by the model that is asked for."""
        gate = self.gate
        gated = {GATED_BEFORE: gate.before, GATED_WITHIN: gate.within, GOOD: good}
        model = orjson.loads(request.body)["model"]
        script = gated.get(model) or next(script for fault, script in SCRIPTS.items() if slug(fault) == model)
        await script(connection, request)

    def call(self, route: str, *, stream: bool, principal: str = "developer", key: str = "") -> Call:
        """A call of a tenant that nobody else is; a fresh gate."""
        self.gate = Gate()
        self._tenants += 1
        return Call(f"tenant-{self._tenants}", route, stream, principal, key)

    async def make(self, call: Call, router: Router | None = None, begun: asyncio.Event | None = None) -> Seen:
        """Makes a call to its end; `begun` as in make_call."""
        return await make_call((router or self.routers[0]).stub, self.bundle.digest, call, begun)

    async def budget(self, call: Call, router: Router | None = None) -> Budget:
        """What the call's tenant has used and holds."""
        request = pb.ListBudgetsRequest(context=call.context(self.bundle.digest), name=BUDGET)
        (state,) = (await (router or self.routers[0]).stub.ListBudgets(request, timeout=PATIENCE)).budgets
        if state.tokens_reserved == 0:
            assert float(state.cost_reserved.amount or 0) == 0
        return Budget(state.tokens_used, state.tokens_reserved)

    async def ledger(self, call: Call) -> list[asyncpg.Record]:
        """The tenant's rows."""
        connection = await asyncpg.connect(self.postgres.dsn("amas"))
        try:
            return list(
                await connection.fetch(
                    "SELECT outcome, input_tokens, output_tokens, estimated, cost FROM ai_router.call"
                    " WHERE tenant = $1 ORDER BY created_at, outcome",
                    call.tenant,
                )
            )
        finally:
            await connection.close()

    async def well(self) -> None:
        """Waits until a call of a new tenant gets its answer: all that was away is back."""

        async def look() -> bool | None:
            return (await self.make(self.call(GOOD, stream=False))).sees == "its answer" or None

        await until("a good call", look)


def untrusted(certificates: Any) -> ssl.SSLContext:
    """TLS with a certificate that no provider of models would have."""
    files = certificates.files("audit")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    return context
