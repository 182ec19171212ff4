"""Opens a stream on the first target that gives a first token in time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from amas_chassis.clock import Clock

from amas_ai_router.domain.budgets import Hold
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError, all_failed, rejected
from amas_ai_router.domain.model import Operation, Target
from amas_ai_router.domain.stream_chunks import Chunk, parse_chunk
from amas_ai_router.ports import Providers, ProviderStream
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission
from .ask_targets import AskTargets


class OpenedStream:
    """A stream past its first token; whoever holds it closes it and settles its `hold`."""

    def __init__(
        self, target: Target, stream: ProviderStream, clock: Clock, *, attempts: int, begun: float, max_bytes: int
    ) -> None:
        self.target = target
        self.hold: Hold | None = None
        self.attempts = attempts
        # When the attempt began, on the monotonic clock.
        self.begun = begun
        self._stream = stream
        self._clock = clock
        self._max_bytes = max_bytes
        self._deadline = begun + target.total
        self._waiting: deque[Chunk] = deque()
        self._size = 0

    async def first(self) -> None:
        """Reads up to the first token, within the target's time-out for it. Raises AttemptError."""
        limit = min(self.begun + self.target.first_token, self._deadline)
        while True:
            chunk = await self._read(limit)
            if chunk is None:
                raise AttemptError(FailureReason.RESPONSE_INVALID, "the stream ended before its first token")
            self._waiting.append(chunk)
            if chunk.begins:
                return

    async def next(self) -> Chunk | None:
        """The next chunk, or None at the good end. Raises AttemptError when it breaks or its time is over."""
        return self._waiting.popleft() if self._waiting else await self._read(self._deadline)

    async def close(self) -> None:
        """Gives the provider's connection up."""
        await self._stream.close()

    async def _read(self, limit: float) -> Chunk | None:
        try:
            async with asyncio.timeout(max(0.0, limit - self._clock.monotonic())):
                data = await self._stream.next()
        except TimeoutError:
            raise AttemptError(FailureReason.TIMEOUT, "no chunk in time") from None
        if data is None:
            return None
        self._size += len(data)
        if self._size > self._max_bytes:
            raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, f"more than {self._max_bytes} bytes")
        return parse_chunk(data)


class OpenStream:
    """Failover up to the first token."""

    def __init__(
        self,
        providers: Providers,
        targets: AskTargets,
        telemetry: RouterTelemetry,
        clock: Clock,
        *,
        max_response_bytes: int,
    ) -> None:
        self._providers = providers
        self._targets = targets
        self._telemetry = telemetry
        self._clock = clock
        self._max_bytes = max_response_bytes

    async def run(self, admission: Admission, fields: dict[str, Any], failovers: list[str]) -> OpenedStream:
        """A stream past its first token; the caller closes it. Raises ModelCallError when no target gives one."""
        last: AttemptError | None = None
        for target in self._targets.order(admission):
            begun = self._clock.monotonic()
            try:
                opened = await self._open(target, fields, begun, attempts=len(failovers) + 1)
            except AttemptError as error:
                self._targets.left(target, error, failovers)
                last = error
            except RejectedError as error:
                raise rejected(error) from error
            else:
                seconds = self._clock.monotonic() - begun
                self._targets.took(target, seconds)
                self._telemetry.first_token(Operation.CHAT, target.provider, target.model, seconds)
                return opened
        if last is None:
            raise AssertionError("a route has at least one target")
        raise all_failed(last, failovers) from last

    async def _open(self, target: Target, fields: dict[str, Any], begun: float, *, attempts: int) -> OpenedStream:
        try:
            async with asyncio.timeout(target.first_token):
                stream = await self._providers.open_stream(target, fields)
        except TimeoutError:
            raise AttemptError(FailureReason.TIMEOUT, "no headers in time") from None
        opened = OpenedStream(target, stream, self._clock, attempts=attempts, begun=begun, max_bytes=self._max_bytes)
        try:
            await opened.first()
        except BaseException:
            await opened.close()
            raise
        return opened
