"""Erase what has been kept for as long as its retention class says.

Several instances may do it at once: they find the same keys, write the same events, and erasing is safe to repeat.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import groupby

from amas_chassis.errors import AmasError

from amas_audit.domain.erasure import MAX_KEYS, RETENTION
from amas_audit.domain.retention import Retention
from amas_audit.ports import Eraser
from amas_audit.usecases.erase_contents import EraseContents

_LOG = logging.getLogger(__name__)


class ExpireContents:
    """One look for contents whose class has ended."""

    def __init__(self, eraser: Eraser, erase: EraseContents, retention: Retention) -> None:
        self._eraser = eraser
        self._erase = erase
        self._retention = retention

    async def __call__(self) -> int:
        """How many contents were erased. AmasError LOG_UNAVAILABLE, after which the next look does the rest."""
        await self._eraser.clear_up()
        contents = 0
        for name, days in self._retention.days.items():
            if days is None:
                continue
            # A key took new contents for its period: the youngest of them is so much younger than the key.
            age = days + self._retention.period(name)
            while keys := await self._eraser.ended(name, age, MAX_KEYS):
                for _, group in groupby(sorted(keys, key=lambda key: (key.tenant, key.id)), lambda key: key.tenant):
                    contents += (await self._erase.erase(list(group), why=RETENTION)).contents
        if contents:
            _LOG.info("contents were erased since their retention class has ended", extra={"contents": contents})
        return contents


class KeepExpiring:
    """Looks again and again. A look that fails is repeated; it never ends the service, which has other duties."""

    def __init__(self, expire: ExpireContents, interval: float) -> None:
        """`interval`: seconds between two looks."""
        self._expire = expire
        self._interval = interval

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._expire()
            except AmasError as error:
                _LOG.warning("contents whose class has ended are not erased yet", extra={"reason": error.reason})
            await asyncio.sleep(self._interval)
