"""The log over HTTPS as C2SP tlog-tiles lays it out: /checkpoint, /tile/<L>/<N>[.p/<W>], /tile/entries/<N>[.p/<W>].

Checkpoint and hashes are for whoever has the network path, since nothing of a tenant can be read out of them. Entries
are those of all tenants: they must never go to anybody but a reader that the settings name, by a verified certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from amas_chassis.grpc_server import ListenError
from amas_chassis.https_context import presented_service

from amas_audit.domain.errors import reader_refused, reader_unknown, resource_unknown
from amas_audit.domain.tlog_paths import Resource, parse_resource
from amas_audit.entrypoints.http_problems import problems

# Requests have no bodies.
MAX_BODY_BYTES = 1024
KEEP_ALIVE_SECONDS = 60.0
# A checkpoint may be followed by another within a second; a tile never changes (C2SP tlog-tiles).
_FRESH = "public, max-age=1"
_FOR_EVER = "public, max-age=31536000, immutable"
# What only some may read, no shared cache may keep.
_FOR_EVER_PRIVATE = "private, max-age=31536000, immutable"

_LOG = logging.getLogger(__name__)

Checkpoint = Callable[[], Awaitable[str]]
Read = Callable[[Resource], Awaitable[bytes]]
Count = Callable[[str, int], None]
# Who reads which entries, before they are given; raises if that cannot be noted.
Note = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read entries: services of `trust_domain` by these names."""

    trust_domain: str
    readers: frozenset[str]

    def reader(self, request: web.Request) -> str:
        """Who asks. AmasError CLIENT_CERTIFICATE_REQUIRED or ENTRIES_REFUSED."""
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        service = presented_service(connection, trust_domain=self.trust_domain)
        if service is None:
            raise reader_unknown()
        if service not in self.readers:
            raise reader_refused(service)
        return service


class TlogHttp:
    """A server of the process (chassis: `Server`)."""

    def __init__(
        self, listen: str, tls: ssl.SSLContext, access: Access, *, checkpoint: Checkpoint, tile: Read, entries: Read,
        note: Note, count: Count,
    ) -> None:  # fmt: skip
        self._listen = listen
        self._tls = tls
        self._access = access
        self._checkpoint = checkpoint
        self._tile = tile
        self._entries = entries
        self._note = note
        self._count = count
        self._runner: web.AppRunner | None = None
        self.address = listen

    async def start(self) -> None:
        """Bind and serve. Raises ListenError."""
        host, _, port = self._listen.rpartition(":")
        if not host or not port.isdigit():
            raise ListenError(f"{self._listen} cannot be listened on: it is not host:port")
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[problems])
        app.router.add_get("/checkpoint", self._get_checkpoint)
        app.router.add_get("/tile/{resource:.+}", self._get_resource)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, keepalive_timeout=KEEP_ALIVE_SECONDS, shutdown_timeout=0.1
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=self._tls).start()
        except OSError as error:
            await runner.cleanup()
            problem = os.strerror(error.errno) if error.errno else str(error)
            raise ListenError(f"{self._listen} cannot be listened on: {problem}") from error
        self._runner = runner
        self.address = f"{host}:{runner.addresses[0][1]}"
        _LOG.info("the log's tiles are served", extra={"address": self.address})

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the Server protocol's signature
        """Stop listening and close connections, at most `timeout` seconds. Whoever was cut asks again elsewhere."""
        if self._runner is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._runner.cleanup()
            self._runner = None

    async def _get_checkpoint(self, request: web.Request) -> web.StreamResponse:
        note = (await self._checkpoint()).encode()
        self._count("checkpoint", len(note))
        return _answer(request, note, "text/plain", _FRESH, charset="utf-8")

    async def _get_resource(self, request: web.Request) -> web.StreamResponse:
        # As it came: a name that means the same in another spelling would be another copy in caches.
        raw = request.raw_path.partition("?")[0].removeprefix("/tile/")
        wanted = parse_resource(raw)
        if wanted is None:
            raise resource_unknown()
        if wanted.level is not None:
            hashes = await self._tile(wanted)
            self._count("tile", len(hashes))
            return _answer(request, hashes, "application/octet-stream", _FOR_EVER)
        reader = self._access.reader(request)
        entries = await self._entries(wanted)
        self._note(reader, wanted.start, wanted.start + wanted.width)
        self._count("entries", len(entries))
        _LOG.info("entries of all tenants were read", extra={"reader": reader, "resource": raw})
        answer = _answer(request, entries, "application/octet-stream", _FOR_EVER_PRIVATE)
        answer.headers["Vary"] = "Accept-Encoding"
        if answer.status == web.HTTPOk.status_code:
            answer.enable_compression()
        return answer


def _answer(request: web.Request, body: bytes, kind: str, caching: str, charset: str | None = None) -> web.Response:
    """The body, or 304 if the client has it (RFC 9110, section 13.1.2)."""
    # Weak, since an answer may be compressed on its way (RFC 9110, section 8.8.3.3).
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Cache-Control": caching, "ETag": tag}
    if _has(request, tag):
        return web.Response(status=web.HTTPNotModified.status_code, headers=headers)
    return web.Response(body=body, content_type=kind, charset=charset, headers=headers)


def _has(request: web.Request, tag: str) -> bool:
    wanted = request.headers.get("If-None-Match", "")
    opaque = tag.removeprefix("W/")
    return wanted.strip() == "*" or any(one.strip().removeprefix("W/") == opaque for one in wanted.split(","))
