"""What OPA asks of us: the list of bundles to serve, the bundles, and a place for its status and its decision log.

Plain HTTP on loopback, with a bearer token: nothing that OPA does not prove itself for is answered. Policies leave here
signed; what comes in is believed about OPA alone, never about a decision.
Source: Open Policy Agent documentation, "Bundle", "Discovery", "Status" and "Decision Log" service APIs.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from aiohttp import web
from amas_chassis.errors import AmasError
from amas_chassis.service import ListenError

from amas_policy_sidecar.domain.engine_reports import AwaitedLogs, EngineStatus
from amas_policy_sidecar.telemetry import Instruments
from amas_policy_sidecar.usecases.record_engine_decisions import RecordEngineDecisions

from .opa_wire import read_decisions, read_status

# Bytes of a status or of a part of the log, unpacked.
MAX_BODY = 16 * 1024 * 1024
# Seconds that OPA may ask us to hold a poll.
MAX_WAIT = 60.0
# Seconds, at the end, for the log of the last decisions: OPA sends it at least every 5 s.
LAST_LOGS = 6.0
# Ids that a line of our log names.
MAX_NAMED = 16

_WAIT = re.compile(r"\bwait=(\d{1,4})\b")
# By this type of an answer OPA knows that it may poll long.
_POLLED = "application/vnd.openpolicyagent.bundles"
_log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ListedBundle(Protocol):
    """A bundle that OPA may fetch."""

    @property
    def revision(self) -> str:
        """Digest of what it holds."""

    @property
    def content(self) -> bytes:
        """The signed archive."""


class Revisions(Protocol):
    """What OPA is to serve, and where its state is kept."""

    async def listed(self, known: str, wait: float) -> tuple[str, bytes] | None:
        """Tag and content of the list once it is another than the known one; None if it is not within `wait` s."""
        ...

    def bundle(self, name: str) -> ListedBundle | None:
        """The bundle of that name."""
        ...

    def report(self, status: EngineStatus) -> None:
        """OPA's state."""
        ...


class OpaApi:
    """The server that OPA's `services.sidecar` names."""

    def __init__(
        self,
        listen: str,
        token_file: Path,
        revisions: Revisions,
        record: RecordEngineDecisions,
        awaited: AwaitedLogs,
        instruments: Instruments,
    ) -> None:
        self._listen = listen
        self._token_file = token_file
        self._revisions = revisions
        self._record = record
        self._awaited = awaited
        self._instruments = instruments
        self._runner: web.AppRunner | None = None
        self.address = listen

    async def start(self) -> None:
        """Bind and serve; raises ListenError."""
        host, _, port = self._listen.rpartition(":")
        application = web.Application(client_max_size=MAX_BODY, middlewares=[self._authenticate])
        application.router.add_get("/discovery", self._discovery)
        application.router.add_get("/bundles/{name}", self._bundle)
        application.router.add_post("/status", self._status)
        application.router.add_post("/logs", self._logs)
        # A poll that is held when we end is cut: OPA comes back to whoever listens next.
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            await runner.cleanup()
            problem = os.strerror(error.errno) if error.errno else str(error)
            raise ListenError(f"{self._listen} cannot be listened on: {problem}") from error
        self._runner = runner
        self.address = f"{host}:{runner.addresses[0][1]}"

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the callee stops by its own means
        """OPA stays connected: calls under way still need its decisions. `close` ends it."""

    async def close(self) -> None:
        """Wait for the log of the last decisions, at most LAST_LOGS seconds, and close."""
        if self._runner is None:
            return
        try:
            async with asyncio.timeout(LAST_LOGS):
                while len(self._awaited):  # noqa: ASYNC110 - what is waited for comes from another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            _log.warning("decisions of OPA are not logged yet", extra={"decisions": len(self._awaited)})
        await self._runner.cleanup()
        self._runner = None

    @web.middleware
    async def _authenticate(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._expected()):
            return web.Response(status=401)
        return await handler(request)

    def _expected(self) -> bytes:
        # Read anew, so that the token is rotated without a restart: OPA reads its copy anew, too.
        return b"Bearer " + self._token_file.read_bytes().strip()

    async def _discovery(self, request: web.Request) -> web.Response:
        wait = _WAIT.search(request.headers.get("Prefer", ""))
        known = request.headers.get("If-None-Match", "").strip('"')
        listed = await self._revisions.listed(known, min(float(wait.group(1)), MAX_WAIT) if wait else 0.0)
        if listed is None:
            return web.Response(status=304, headers={"Content-Type": _POLLED, "ETag": f'"{known}"'})
        tag, content = listed
        return web.Response(body=content, headers={"Content-Type": _POLLED, "ETag": f'"{tag}"'})

    async def _bundle(self, request: web.Request) -> web.Response:
        bundle = self._revisions.bundle(request.match_info["name"])
        if bundle is None:
            return web.Response(status=404)
        tag = f'"{bundle.revision}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(body=bundle.content, headers={"Content-Type": "application/gzip", "ETag": tag})

    async def _status(self, request: web.Request) -> web.Response:
        try:
            status = read_status(json.loads(await request.read()))
        except ValueError:
            return web.Response(status=400)
        self._revisions.report(status)
        return web.Response()

    async def _logs(self, request: web.Request) -> web.Response:
        try:
            entries, unreadable = read_decisions(json.loads(await request.read()))
        except ValueError:
            return web.Response(status=400)
        try:
            await self._record(entries)
        except AmasError:
            # OPA keeps what it could not send, and sends it again.
            return web.Response(status=503)
        if unreadable:
            _log.error("decisions in OPA's log cannot be read", extra={"decisions": unreadable[:MAX_NAMED]})
            self._instruments.engine_logs("unreadable", len(unreadable))
            for decision_id in unreadable:
                self._awaited.arrived(decision_id)
        return web.Response()
