"""The issuer's keys, kept fresh without ever letting a caller decide how often the issuer is asked.

A set is refreshed in the background ahead of its expiry, so that no request waits for it. A token with an unknown key
id asks for one refresh; such refreshes are at least `interval` apart, and all who wait share one. Whoever comes between
two refreshes waits for the next one, so that a token signed with a brand-new key is not refused; those that wait are
bounded, so that a flood is refused at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from amas_chassis.clock import Clock

from amas_gateway.domain.errors import keys_unavailable
from amas_gateway.telemetry import Instruments

from .issuer_documents import IssuerDocuments, IssuerUnavailableError
from .key_set import VerificationKey, parse_key_set

# Bounds on what the issuer may say in Cache-Control, and what holds when it says nothing (seconds).
MIN_LIFE = 60.0
DEFAULT_LIFE = 300.0
MAX_LIFE = 3600.0
# Refreshed when this part of the life is over, which leaves time for several tries.
REFRESH_AT = 0.7
RETRY_SECONDS = 5.0
# Keys that could not be refreshed are trusted this much longer: an issuer's restart must not stop the platform, but a
# key that was withdrawn in the meantime must not live on for ever.
GRACE_SECONDS = 3600.0
# Seconds between two refreshes that unknown key ids ask for.
DEFAULT_INTERVAL = 2.0
# Requests that wait for the next refresh.
MAX_WAITING = 64

_log = logging.getLogger(__name__)


class OidcKeys:
    """Looks keys up by id. `run` is a background task of the service."""

    def __init__(
        self,
        documents: IssuerDocuments,
        clock: Clock,
        instruments: Instruments,
        *,
        interval: float = DEFAULT_INTERVAL,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._documents = documents
        self._clock = clock
        self._instruments = instruments
        self._interval = interval
        self._pause = pause
        self._keys: dict[str, VerificationKey] | None = None
        self._key_set_url: str | None = None
        self._fetched_at = 0.0
        self._life = DEFAULT_LIFE
        self._asked_at: float | None = None
        self._refresh: asyncio.Task[None] | None = None
        self._waiting = 0

    async def find(self, key_id: str) -> VerificationKey | None:
        """The key, or None when the issuer does not publish it. Raises UNAVAILABLE when no set can be trusted."""
        key = self._current().get(key_id)
        if key is None and self._waiting < MAX_WAITING:
            self._waiting += 1
            try:
                # Shielded: one client that goes away must not end the refresh for the others.
                await asyncio.shield(self._shared_refresh())
            finally:
                self._waiting -= 1
            key = self._current().get(key_id)
        if not self._usable():
            raise keys_unavailable()
        return key

    def knows(self, key_id: str) -> bool:
        """Whether the key is in the set as it was last seen, and the set may still be trusted."""
        return key_id in self._current()

    async def check(self) -> None:
        """Readiness: raises while no key is known."""
        if not self._usable():
            raise keys_unavailable()

    async def run(self) -> None:
        """Fetches at once and then ahead of each expiry, for the life of the service."""
        while True:
            await self._fetch()
            due = self._fetched_at + self._life * REFRESH_AT - self._clock.monotonic()
            await self._pause(max(due, RETRY_SECONDS) if self._usable() else RETRY_SECONDS)

    def _usable(self) -> bool:
        age = self._clock.monotonic() - self._fetched_at
        return self._keys is not None and age < self._life + GRACE_SECONDS

    def _current(self) -> dict[str, VerificationKey]:
        return self._keys or {} if self._usable() else {}

    def _shared_refresh(self) -> asyncio.Task[None]:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.get_running_loop().create_task(self._refresh_once())
        return self._refresh

    async def _refresh_once(self) -> None:
        if self._asked_at is not None:
            wait = self._asked_at + self._interval - self._clock.monotonic()
            if wait > 0:
                await self._pause(wait)
        await self._fetch()

    async def _fetch(self) -> None:
        self._asked_at = self._clock.monotonic()
        try:
            if self._key_set_url is None:
                self._key_set_url = await self._documents.key_set_url()
            document = await self._documents.key_set(self._key_set_url)
            self._keys = parse_key_set(document.content)
        except (IssuerUnavailableError, ValueError) as error:
            # The issuer may have moved its keys: discover again next time.
            self._key_set_url = None
            self._instruments.key_fetches.labels("failed").inc()
            _log.warning("the issuer's keys could not be fetched: %s", error)
            return
        self._fetched_at = self._asked_at
        life = DEFAULT_LIFE if document.max_age is None else float(document.max_age)
        self._life = min(max(life, MIN_LIFE), MAX_LIFE)
        self._instruments.key_fetches.labels("fetched").inc()
