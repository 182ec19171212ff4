"""Asks for parts of a log over HTTPS, as one of the services or as nobody."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from amas_cli.audit_log import HttpSource
from yarl import URL

from .processes import AuditProcess


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class TlogClient:
    """A connection pool of one identity."""

    session: aiohttp.ClientSession
    url: str

    async def ask(self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        """One request; the path goes out as it is."""
        async with self.session.request(method, URL(self.url + path, encoded=True), headers=headers) as answer:
            return Answer(answer.status, answer.headers, await answer.read())


def live_source(service: AuditProcess, come_as: str = "auditor") -> HttpSource:
    """The log as `amas audit verify` reads it."""
    files: Any = service.certificates.files(come_as)
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    return HttpSource(service.tlog_url, context)


@asynccontextmanager
async def tlog_client(service: AuditProcess, come_as: str = "") -> AsyncIterator[TlogClient]:
    """A client that shows the certificate of `come_as`, or none."""
    files: Any = service.certificates.files(come_as or "audit")
    context = ssl.create_default_context(cafile=str(files.ca))
    if come_as:
        context.load_cert_chain(files.cert, files.key)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield TlogClient(session, service.tlog_url)
