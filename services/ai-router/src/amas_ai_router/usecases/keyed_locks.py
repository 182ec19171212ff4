"""Lets calls with the same idempotency key run one after another: the later ones find the first one's answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from amas_ai_router.domain.records import KeyScope


class KeyedLocks:
    """One lock for each key in use; none is kept when nobody holds or awaits it, so calls in flight are the bound."""

    def __init__(self) -> None:
        self._locks: dict[KeyScope, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, scope: KeyScope | None) -> AsyncIterator[None]:
        """Waits for earlier calls of the same key; a call without a key waits for nobody."""
        if scope is None:
            yield
            return
        lock, users = self._locks.get(scope, (asyncio.Lock(), 0))
        self._locks[scope] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[scope]
            if users == 1:
                del self._locks[scope]
            else:
                self._locks[scope] = (lock, users - 1)

    def __len__(self) -> int:
        """Keys in use now."""
        return len(self._locks)
