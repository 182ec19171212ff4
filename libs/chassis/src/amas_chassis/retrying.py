"""Asks a peer again that did not answer: for calls that are idempotent, over streams that send each call once.

Plain channels ask again by themselves (`channels.py`); a call on a multiplexed stream that breaks is UNAVAILABLE, since
nobody knows how far it came. It must never be used for a call that may not be done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import grpc

from .errors import ErrorKind
from .rpc_errors import from_rpc_error

__all__ = ["asked_again"]

_Answer = TypeVar("_Answer")

# Tries of one call, and the pause after the first in seconds, doubling. Each waits for a stream (`mux/client.py`).
MAX_TRIES = 2
FIRST_PAUSE = 0.05
AWAY = frozenset({ErrorKind.UNAVAILABLE})


async def asked_again(
    call: Callable[[], Awaitable[_Answer]],
    *,
    tries: int = MAX_TRIES,
    first_pause: float = FIRST_PAUSE,
    transient: Collection[ErrorKind] = AWAY,
) -> _Answer:
    """The answer of a call, made anew each time. Raises what the last one, or one that is not `transient`, raised."""
    pause = first_pause
    for remaining in reversed(range(tries)):
        try:
            return await call()
        except grpc.aio.AioRpcError as failure:
            if not remaining or from_rpc_error(failure).kind not in transient:
                raise
        await asyncio.sleep(pause)
        pause *= 2
    raise RuntimeError("the last try neither answered nor failed")
