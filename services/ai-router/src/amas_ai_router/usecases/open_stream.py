"""Opens a stream on the first target that gives a first token in time. After it the stream is the caller's."""

from __future__ import annotations

from collections import deque
from typing import Any

from amas_chassis.clock import Clock
from amas_chassis.read_timer import ReadTimer

from amas_ai_router.domain.bodies import estimate
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Operation, Target, Tokens
from amas_ai_router.domain.stream_chunks import Chunk, parse_chunk
from amas_ai_router.ports import Providers, ProviderStream
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission
from .ask_in_turn import AskInTurn
from .course import Won


class _Chunks:
    """What comes of one provider's stream, bounded in size; nothing is read ahead of the first token."""

    # Thousands of idle streams wait in one process.
    __slots__ = ("_max_bytes", "_size", "_stream", "waiting")

    def __init__(self, stream: ProviderStream, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._size = 0
        self.waiting: deque[Chunk] = deque()

    async def first(self) -> None:
        """Reads up to the first token. Raises AttemptError."""
        while True:
            chunk = await self.read()
            if chunk is None:
                raise AttemptError(FailureReason.RESPONSE_INVALID, "the stream ended before its first token")
            self.waiting.append(chunk)
            if chunk.begins:
                return

    async def read(self) -> Chunk | None:
        """The next chunk from the provider, or None at the good end. Raises AttemptError."""
        data = await self._stream.next()
        if data is None:
            return None
        self._size += len(data)
        if self._size > self._max_bytes:
            raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, f"more than {self._max_bytes} bytes")
        return parse_chunk(data)

    async def close(self) -> None:
        """Gives the provider's connection up."""
        await self._stream.close()


class OpenedStream:
    """A stream past its first token; whoever holds it closes it and settles its `hold`."""

    __slots__ = ("_chunks", "_clock", "_permit", "_timer", "attempts", "begun", "hold", "target")

    def __init__(self, won: Won[_Chunks], attempts: int, deadline: float, clock: Clock) -> None:
        self.target = won.target
        self.hold = won.hold
        self.attempts = attempts
        # When the attempt that won began, on the monotonic clock.
        self.begun = won.begun
        self._chunks = won.result
        self._permit = won.permit
        self._timer = ReadTimer(min(won.begun + won.target.total, deadline) - clock.monotonic())
        self._clock = clock

    async def next(self) -> Chunk | None:
        """The next chunk, or None at the good end. Raises AttemptError when it breaks or its time is over."""
        if self._chunks.waiting:
            return self._chunks.waiting.popleft()
        try:
            chunk = await self._timer.wait(self._chunks.read())
        except TimeoutError:
            # Slow is not broken: it did give tokens.
            raise AttemptError(FailureReason.TIMEOUT, "no chunk in time") from None
        except AttemptError as error:
            if not error.by_request:
                self._permit.failed(self._clock.monotonic())
            raise
        return chunk

    async def close(self) -> None:
        """Gives the provider's connection up."""
        self._timer.stop()
        # What began and did not break was good, also if nobody wanted its end.
        self._permit.succeeded(self._clock.monotonic())
        await self._chunks.close()


class OpenStream:
    """Failover, retries and hedges up to the first token."""

    def __init__(
        self,
        providers: Providers,
        in_turn: AskInTurn,
        telemetry: RouterTelemetry,
        clock: Clock,
        *,
        max_response_bytes: int,
    ) -> None:
        self._in_turn = in_turn
        self._telemetry = telemetry
        self._clock = clock
        self._asking = _FirstToken(providers, max_response_bytes)

    async def run(self, admission: Admission, fields: dict[str, Any], failovers: list[str]) -> OpenedStream:
        """A stream past its first token; the caller closes and settles it. Raises as AskInTurn.run does."""
        won, course = await self._in_turn.run(admission, fields, self._asking, failovers)
        target = won.target
        self._telemetry.first_token(Operation.CHAT, target.provider, target.model, self._clock.monotonic() - won.begun)
        return OpenedStream(won, course.attempts, course.deadline, self._clock)


class _FirstToken:
    """How a stream is begun; see course.Asking."""

    kind = "stream"
    goes_on = True

    def __init__(self, providers: Providers, max_bytes: int) -> None:
        self._providers = providers
        self._max_bytes = max_bytes

    def limit(self, target: Target) -> float:
        return target.first_token

    async def ask(self, target: Target, fields: dict[str, Any]) -> _Chunks:
        chunks = _Chunks(await self._providers.open_stream(target, fields), self._max_bytes)
        try:
            await chunks.first()
        except BaseException:
            await chunks.close()
            raise
        return chunks

    def used(self, result: _Chunks, request_bytes: int) -> Tokens:
        return estimate(request_bytes, sum(chunk.text_bytes for chunk in result.waiting))

    async def discard(self, result: _Chunks) -> None:
        await result.close()
