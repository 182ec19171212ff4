"""Looks for other signing keys once a second, and has them sign the newest head at once, without a restart.

It must never end for a reason that passes: the log goes on signing with the keys that it has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from amas_chassis.errors import AmasError

from amas_audit.domain.errors import LogDamagedError

# Seconds between two looks at the file.
INTERVAL = 1.0

_LOG = logging.getLogger(__name__)


class KeepSigned:
    """`refresh` tells whether the keys changed, `sign_head` signs the newest head with those in use."""

    def __init__(self, refresh: Callable[[], bool], sign_head: Callable[[], Awaitable[None]]) -> None:
        self._refresh = refresh
        self._sign_head = sign_head
        self._owed = False

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.look()

    async def look(self) -> None:
        """One look. A head that could not be signed is owed at the next."""
        self._owed = self._refresh() or self._owed
        if not self._owed:
            return
        try:
            await self._sign_head()
        except (AmasError, LogDamagedError) as error:
            _LOG.warning("the newest head is not signed by the new keys yet: %s", error)
            return
        self._owed = False
