"""Opens a stream on the first target that gives a first token in time, and carries it on from there."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from amas_chassis.clock import Clock

from amas_ai_router.domain.bodies import estimate
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError, all_failed, rejected
from amas_ai_router.domain.model import CallReport, ModelRequest, Operation, Target, Tokens
from amas_ai_router.domain.pricing import usage_of
from amas_ai_router.domain.records import OK, bytes_digest, call_id_for, scope_of
from amas_ai_router.domain.stream_chunks import Chunk, parse_chunk
from amas_ai_router.ports import Providers, ProviderStream
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission
from .ask_targets import AskTargets


class OpenedStream:
    """A stream past its first token: what came, what was delivered, what it used."""

    def __init__(
        self,
        request: ModelRequest,
        target: Target,
        stream: ProviderStream,
        failovers: tuple[str, ...],
        clock: Clock,
        *,
        begun: float,
        usage_wanted: bool,
        max_bytes: int,
    ) -> None:
        self._request = request
        self._target = target
        self._stream = stream
        self._failovers = failovers
        self._clock = clock
        self._begun = begun
        self._usage_wanted = usage_wanted
        self._max_bytes = max_bytes
        self._deadline = begun + target.total
        self._waiting: list[Chunk] = []
        self._kept: list[bytes] = []
        self._size = 0
        self._text_bytes = 0
        self._tokens: Tokens | None = None
        self._digest = hashlib.sha256()
        # A kept answer needs the chunks again; without a key nothing of them is held.
        self._keeps = bool(request.context.idempotency_key)
        self.finish_reason = ""
        self.request_digest = bytes_digest(request.body)

    async def first(self) -> None:
        """Reads up to the first token, within the target's time-out for it. Raises AttemptError."""
        limit = min(self._begun + self._target.first_token, self._deadline)
        while True:
            chunk = await self._next(limit)
            if chunk is None:
                raise AttemptError(FailureReason.RESPONSE_INVALID, "the stream ended before its first token")
            self._waiting.append(chunk)
            if chunk.begins:
                return

    async def forward(self, send: Callable[[bytes], Awaitable[None]]) -> AttemptError | None:
        """Sends everything on; None if the stream ended well, else why it broke."""
        for chunk in self._waiting:
            await self._send(chunk, send)
        self._waiting.clear()
        while True:
            try:
                chunk_or_end = await self._next(self._deadline)
            except AttemptError as error:
                return error
            if chunk_or_end is None:
                return None
            await self._send(chunk_or_end, send)

    async def close(self) -> None:
        """Gives the provider's connection up."""
        await self._stream.close()

    def report(self, outcome: str) -> CallReport:
        """How it was served so far; tokens are counted by size where the provider reported none."""
        tokens = self._tokens or estimate(len(self._request.body), self._text_bytes)
        return CallReport(
            # Only a whole answer stands under the key: a broken one may be tried again.
            call_id=call_id_for(scope_of(self._request.context) if outcome == OK else None),
            provider=self._target.provider,
            model=self._target.model,
            usage=usage_of(tokens, self._target.prices, self._clock.now().date()),
            attempts=len(self._failovers) + 1,
            duration_ms=round((self._clock.monotonic() - self._begun) * 1000),
            failovers=self._failovers,
        )

    def body(self) -> bytes:
        """All delivered chunks, one a line; empty for a call without a key."""
        return b"\n".join(self._kept)

    def response_digest(self) -> str:
        """Digest over the delivered chunks, each followed by a line feed."""
        return f"sha256:{self._digest.hexdigest()}"

    async def _send(self, chunk: Chunk, send: Callable[[bytes], Awaitable[None]]) -> None:
        if chunk.usage_only and not self._usage_wanted:
            return
        await send(chunk.data)
        self._text_bytes += chunk.text_bytes
        self._digest.update(chunk.data + b"\n")
        if self._keeps:
            self._kept.append(chunk.data)

    async def _next(self, limit: float) -> Chunk | None:
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
        chunk = parse_chunk(data)
        self._tokens = chunk.tokens or self._tokens
        self.finish_reason = chunk.finish_reason or self.finish_reason
        return chunk


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

    async def run(
        self,
        request: ModelRequest,
        admission: Admission,
        fields: dict[str, Any],
        failovers: list[str],
        *,
        usage_wanted: bool,
    ) -> OpenedStream:
        """A stream past its first token; the caller closes it. Raises ModelCallError when no target gives one."""
        last: AttemptError | None = None
        for target in self._targets.order(admission):
            begun = self._clock.monotonic()
            try:
                opened = await self._open(request, target, fields, tuple(failovers), begun, usage_wanted=usage_wanted)
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

    async def _open(
        self,
        request: ModelRequest,
        target: Target,
        fields: dict[str, Any],
        failovers: tuple[str, ...],
        begun: float,
        *,
        usage_wanted: bool,
    ) -> OpenedStream:
        try:
            async with asyncio.timeout(target.first_token):
                stream = await self._providers.open_stream(target, fields)
        except TimeoutError:
            raise AttemptError(FailureReason.TIMEOUT, "no headers in time") from None
        opened = OpenedStream(
            request,
            target,
            stream,
            failovers,
            self._clock,
            begun=begun,
            usage_wanted=usage_wanted,
            max_bytes=self._max_bytes,
        )
        try:
            await opened.first()
        except BaseException:
            await opened.close()
            raise
        return opened
