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
from amas_ai_router.domain.records import OK, bytes_digest, call_id_for, scope_of
from amas_ai_router.domain.stream_chunks import Chunk

from .open_stream import OpenedStream


class Delivery:
    """One stream on its way: what came, what was delivered, what it used."""

    def __init__(
        self,
        request: ModelRequest,
        opened: OpenedStream,
        failovers: Sequence[str],
        clock: Clock,
        *,
        usage_wanted: bool,
    ) -> None:
        self._request = request
        self._opened = opened
        self._failovers = tuple(failovers)
        self._clock = clock
        self._usage_wanted = usage_wanted
        self._kept: list[bytes] = []
        self._text_bytes = 0
        self._tokens: Tokens | None = None
        self._digest = hashlib.sha256()
        # A kept answer needs the chunks again; without a key nothing of them is held.
        self._keeps = bool(request.context.idempotency_key)
        self.finish_reason = ""
        self.request_digest = bytes_digest(request.body)

    async def forward(self, send: Callable[[bytes], Awaitable[None]]) -> AttemptError | None:
        """Sends everything on; None if the stream ended well, else why it broke."""
        while True:
            try:
                chunk = await self._opened.next()
            except AttemptError as error:
                return error
            if chunk is None:
                return None
            await self._send(chunk, send)

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

    def body(self) -> bytes:
        """All delivered chunks, one a line; empty for a call without a key."""
        return b"\n".join(self._kept)

    def response_digest(self) -> str:
        """Digest over the delivered chunks, each followed by a line feed."""
        return f"sha256:{self._digest.hexdigest()}"

    async def _send(self, chunk: Chunk, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._tokens = chunk.tokens or self._tokens
        self.finish_reason = chunk.finish_reason or self.finish_reason
        if chunk.usage_only and not self._usage_wanted:
            return
        await send(chunk.data)
        self._text_bytes += chunk.text_bytes
        self._digest.update(chunk.data + b"\n")
        if self._keeps:
            self._kept.append(chunk.data)
