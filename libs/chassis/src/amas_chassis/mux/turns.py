"""Lets in as much at once as fits, in turn: what keeps one side from sending more than the other takes half done.

It must never let in nobody: what is larger than the bound goes in alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Turns"]


class Turns:
    """A gate of `most` (bytes). Use it from one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    def free(self, weight: int) -> bool:
        """Whether so much could go in without waiting."""
        return not self._line and self._fits(weight)

    @asynccontextmanager
    async def turn(self, weight: int) -> AsyncIterator[None]:
        """Inside for as long as the block lasts."""
        await self._enter(weight)
        try:
            yield
        finally:
            self._inside -= weight
            self._let_in()

    async def _enter(self, weight: int) -> None:
        if self.free(weight):
            self._inside += weight
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append((weight, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                # It was let in at the same moment.
                self._inside -= weight
            self._let_in()
            raise

    def _fits(self, weight: int) -> bool:
        return not self._inside or self._inside + weight <= self._most

    def _let_in(self) -> None:
        while self._line:
            weight, turn = self._line[0]
            if not turn.done():
                if not self._fits(weight):
                    return
                self._inside += weight
                turn.set_result(None)
            self._line.popleft()
