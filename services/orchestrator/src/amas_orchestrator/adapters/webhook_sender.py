"""Posts signed messages to receivers. WebhookSender over aiohttp.

No redirect is followed, no proxy of the environment is used, no body of an answer is read. Secrets come from files,
read for each message, so that a rotation needs no restart; none of them reaches a log.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from amas_chassis.egress import CheckedResolver, check_literal

from amas_orchestrator.domain import standard_webhooks
from amas_orchestrator.domain.webhooks import Delivery, Endpoint

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
"""For an attempt as a whole, look-up and connection included."""


class HttpSender:
    """WebhookSender."""

    def __init__(self, secrets: Path | None, resolver: AbstractResolver | None = None) -> None:
        self._secrets = secrets
        self._resolver = resolver

    async def send(self, endpoint: Endpoint, delivery: Delivery, at: datetime) -> bool:
        """See WebhookSender."""
        try:
            keys = [self._key(name) for name in endpoint.secrets]
        except (OSError, ValueError) as error:
            return self._failed(endpoint, f"secret: {type(error).__name__}")
        body = delivery.body.encode()
        headers = {"Content-Type": "application/json", "User-Agent": "amas-webhooks/1"}
        headers.update(standard_webhooks.headers(keys, delivery.id, at, body))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._post(endpoint, headers, body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._failed(endpoint, type(error).__name__)
        if 200 <= status < 300:
            return True
        return self._failed(endpoint, f"status {status}")

    async def _post(self, endpoint: Endpoint, headers: dict[str, str], body: bytes) -> int:
        url = endpoint.url
        check_literal(urlsplit(url).hostname or "", endpoint.networks)
        # A resolver and a connection of its own for each message: receivers are few, and nothing is kept.
        inner = self._resolver or aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(inner, endpoint.networks), use_dns_cache=False, force_close=True
        )
        async with (
            aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status

    def _key(self, name: str) -> bytes:
        if self._secrets is None:
            raise FileNotFoundError("no folder of webhook secrets is set")
        return standard_webhooks.parse_secret((self._secrets / name).read_text(encoding="ascii"))

    def _failed(self, endpoint: Endpoint, why: str) -> bool:
        _log.warning("a webhook message was not taken", extra={"endpoint": endpoint.name, "reason": why})
        return False
