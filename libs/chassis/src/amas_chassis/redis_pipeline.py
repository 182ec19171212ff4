"""Scripts in Redis, many to a round trip: what is asked while one is under way shares the next.

One connection of its own, used in order: what is asked first is done first. Every script is told the run id of the
server that does it as its last argument, so that it can tell a server which may have forgotten something. It speaks to
the connection itself, since the client's pipeline costs several times the CPU of a call. It must never wait longer than
its time-out, nor ask a Redis that has just failed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError

from .clock import Clock

__all__ = [
    "RETRY_SECONDS",
    "TIMEOUT_SECONDS",
    "RedisAwayError",
    "RedisPipeline",
    "RedisRefusedError",
    "Script",
    "Word",
    "connect",
]

# Redis stands beside us; a round trip that takes longer than this is none (seconds).
TIMEOUT_SECONDS = 0.5
# How long Redis is left alone after it failed, so that calls do not each wait for a time-out (seconds).
RETRY_SECONDS = 0.5
# Scripts in one round trip: at some 20 microseconds each, others wait a millisecond or so for theirs.
MAX_BATCH = 64
# Scripts that wait for a round trip; more than this, and Redis is as good as away.
MAX_WAITING = 4_096
# Connections of the client: this one's, and what probes and other users of it need.
MAX_CONNECTIONS = 8

_RUN_ID = re.compile(rb"^run_id:(\w+)", re.MULTILINE)
Word = bytes | str | int

_log = logging.getLogger(__name__)


class RedisAwayError(Exception):
    """Redis did not answer, or not in time, or not well. What was asked may or may not have been done."""


class RedisRefusedError(RedisAwayError):
    """Redis answered, and will not do it: the script or the set-up is at fault, and asking again mends nothing.

    To whoever needs the answer it is as good as away.
    """


@dataclass(frozen=True, slots=True)
class Script:
    """A script and what Redis knows it by."""

    text: str
    digest: str

    @classmethod
    def read(cls, *paths: Path) -> Script:
        """The script that the files make together."""
        text = "\n".join(path.read_text() for path in paths)
        # Redis names scripts so; nothing is secured by it.
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class _Asked:
    script: Script
    words: tuple[Word, ...]
    answer: asyncio.Future[Any]


def connect(dsn: str) -> Redis:
    """A client without retries; the pipeline keeps the time of whole round trips itself."""
    return Redis.from_url(
        dsn,
        socket_timeout=None,
        socket_connect_timeout=TIMEOUT_SECONDS,
        max_connections=MAX_CONNECTIONS,
        retry=Retry(NoBackoff(), 0),
    )


class RedisPipeline:
    """Runs scripts. Safe for any number of callers of one event loop.

    Each script gets the server's run id as its last argument: another one is another store, perhaps an empty one.
    """

    def __init__(self, redis: Redis, clock: Clock, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """`timeout` is what a round trip may take (seconds)."""
        self._timeout = timeout
        self._connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._clock = clock
        self._waiting: deque[_Asked] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._away_until: float | None = None
        self._server: bytes = b""

    async def call(self, script: Script, keys: Sequence[Word], arguments: Sequence[Word]) -> Any:
        """A script's answer, whatever it is. Raises RedisAwayError; RedisRefusedError if Redis will not do it.

        A caller that is cancelled does not take its script back: it is done, and its answer dropped.
        """
        if self._away_until is not None and self._clock.monotonic() < self._away_until:
            raise RedisAwayError("Redis failed a moment ago")
        if len(self._waiting) >= MAX_WAITING:
            raise RedisAwayError("too many scripts wait for Redis")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(script, (len(keys), *keys, *arguments), answer))
        if self._pump is None:
            self._pump = asyncio.create_task(self._work())
        return await answer

    async def close(self) -> None:
        """Ends the connection; what waits is told that Redis is away."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        await self._connection.disconnect()

    async def _work(self) -> None:
        batch: list[_Asked] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
                async with asyncio.timeout(self._timeout):
                    answers = await self._round_trip(batch)
                self._came_back()
                for asked, answer in zip(batch, answers, strict=True):
                    _give(asked, answer)
        except Exception as error:
            # Whatever it was: answers that were not read must never be taken for those of later calls.
            if not isinstance(error, RedisError | OSError | TimeoutError):
                _log.exception("a round trip to Redis failed")
            self._went_away(error)
            await self._connection.disconnect(nowait=True)
        finally:
            self._pump = None
            for asked in (*batch, *self._waiting):
                _lose(asked)
            self._waiting.clear()

    async def _round_trip(self, batch: list[_Asked]) -> list[Any]:
        if not self._connection.is_connected:
            await self._connect()
        server = self._server
        answers = await self._exchange([("EVALSHA", asked.script.digest, *asked.words, server) for asked in batch])
        unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            again = await self._exchange([("EVAL", batch[at].script.text, *batch[at].words, server) for at in unknown])
            for place, answer in zip(unknown, again, strict=True):
                answers[place] = answer
        for answer in answers:
            if isinstance(answer, ReadOnlyError):
                # After a failover: this connection leads to what has become a replica, and the name to another server.
                raise answer
        return answers

    async def _connect(self) -> None:
        await self._connection.connect()
        (about,) = await self._exchange([("INFO", "server")])
        found = _RUN_ID.search(about) if isinstance(about, bytes) else None
        # A proxy that hides it leaves us with what the marker's absence tells.
        self._server = found[1] if found is not None else b""

    async def _exchange(self, commands: list[tuple[Word, ...]]) -> list[Any]:
        # The stub knows only commands of one word.
        packed = b"".join(hiredis.pack_command(command) for command in commands)  # type: ignore[arg-type]
        await self._connection.send_packed_command(packed, check_health=False)
        return [await self._read() for _ in commands]

    async def _read(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error

    def _went_away(self, error: Exception) -> None:
        if self._away_until is None:
            _log.error("Redis is away (%s)", type(error).__name__)
        self._away_until = self._clock.monotonic() + RETRY_SECONDS

    def _came_back(self) -> None:
        if self._away_until is not None:
            self._away_until = None
            _log.info("Redis is back")


def _give(asked: _Asked, answer: Any) -> None:
    """Hand on whatever the script answered; what that must look like is known to whoever wrote it."""
    if asked.answer.done():
        return
    if isinstance(answer, ResponseError):
        _log.error("Redis refuses a script: %s", answer)
        asked.answer.set_exception(RedisRefusedError("Redis refuses the script"))
    else:
        asked.answer.set_result(answer)


def _lose(asked: _Asked) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(RedisAwayError("Redis did not answer"))
