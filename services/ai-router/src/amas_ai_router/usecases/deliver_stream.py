"""Carries an opened stream to its reader and keeps what records need: text, usage, digest, and the chunks under a key.

It must never read ahead of its reader: a chunk is asked for when the one before it was taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence

from amas_chassis.clock import Clock

from amas_ai_router.domain.bodies import estimate
from amas_ai_router.domain.errors import AttemptError
from amas_ai_router.domain.model import CallReport, ModelRequest, Tokens
from amas_ai_router.domain.pricing import usage_of
from amas_ai_router.domain.records import OK, Answer, bytes_digest, call_id_for, scope_of
from amas_ai_router.domain.response_rules import ResponseGuard
from amas_ai_router.domain.stream_chunks import Chunk

from .open_stream import OpenedStream

# Finish reason of an answer that a stop rule ended, as OpenAI names it.
STOPPED = "content_filter"


class Delivery:
    """One stream on its way: what came (which is billed), what was delivered (which is digested)."""

    def __init__(
        self,
        request: ModelRequest,
        opened: OpenedStream,
        failovers: Sequence[str],
        clock: Clock,
        *,
        guard: ResponseGuard | None,
        usage_wanted: bool,
        keeps: bool,
    ) -> None:
        self._request = request
        self._opened = opened
        self._failovers = tuple(failovers)
        self._clock = clock
        self._guard = guard
        self._usage_wanted = usage_wanted
        self._kept: list[bytes] = []
        self._text_bytes = 0
        self._tokens: Tokens | None = None
        self._digest = hashlib.sha256()
        # A kept answer needs the chunks again; where none is kept, nothing of them is held.
        self._keeps = keeps
        self._first_at: float | None = None
        self.finish_reason = ""

    async def forward(self, send: Callable[[bytes], Awaitable[None]]) -> AttemptError | None:
        """Sends everything on; None if the stream ended well, else why it broke."""
        broken = None
        try:
            while (chunk := await self._opened.next()) is not None:
                self._note(chunk)
                if chunk.usage_only and not self._usage_wanted:
                    continue
                await self._pass(chunk.data, send)
                if self._guard is not None and self._guard.stopped:
                    # A stop rule has ended every choice: the provider is left, and what it gave so far is billed.
                    self.finish_reason = STOPPED
                    break
        except AttemptError as error:
            broken = error
        for data in () if self._guard is None else self._guard.end():
            await self._send(data, send)
        return broken

    async def _pass(self, data: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
        for part in (data,) if self._guard is None else self._guard.feed(data):
            await self._send(part, send)

    def answer(self, outcome: str) -> Answer:
        """What is to be put on record now."""
        return Answer(
            report=self.report(outcome),
            body=b"\n".join(self._kept),
            request=self._request.body,
            response_digest=f"sha256:{self._digest.hexdigest()}",
            finish=self.finish_reason,
            outcome=outcome,
            hold=self._opened.hold,
            redactions={} if self._guard is None else self._guard.findings,
        )

    def request_digest(self) -> str:
        """Digest of the request as it came."""
        return bytes_digest(self._request.body)

    def seconds_after_first(self) -> float:
        """How long the answer took after its first chunk."""
        return 0.0 if self._first_at is None else self._clock.monotonic() - self._first_at

    def report(self, outcome: str) -> CallReport:
        """How it was served so far; tokens are counted by size where the provider reported none."""
        tokens = self._tokens or estimate(len(self._request.body), self._text_bytes)
        target = self._opened.target
        return CallReport(
            # Only a whole answer stands under the key: a broken one may be tried again.
            call_id=call_id_for(scope_of(self._request.context) if outcome == OK else None),
            provider=target.provider,
            model=target.model,
            usage=usage_of(tokens, target.prices, self._clock.now().date()),
            attempts=self._opened.attempts,
            duration_ms=round((self._clock.monotonic() - self._opened.begun) * 1000),
            failovers=self._failovers,
        )

    def _note(self, chunk: Chunk) -> None:
        if self._first_at is None:
            self._first_at = self._clock.monotonic()
        self._tokens = chunk.tokens or self._tokens
        self._text_bytes += chunk.text_bytes
        self.finish_reason = chunk.finish_reason or self.finish_reason

    async def _send(self, data: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
        await send(data)
        self._digest.update(data + b"\n")
        if self._keeps:
            self._kept.append(data)
