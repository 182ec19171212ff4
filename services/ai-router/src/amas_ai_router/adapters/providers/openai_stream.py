"""One streamed answer of a provider that speaks the OpenAI API.

Nothing is read ahead of what is asked for, so a slow reader slows the provider down. It must never take a cut stream
for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import orjson

from amas_ai_router.domain.errors import AttemptError, FailureReason

from .events import EventReader, EventTooLargeError
from .failures import TRANSPORT_ERRORS, shown_cause, transport_failure

DONE = b"[DONE]"


class OpenAiStream:
    """The events of one answer; `give_back` takes the response of a stream that was read to its end."""

    __slots__ = ("_before", "_content", "_done", "_give_back", "_last", "_reader", "_ready", "_response", "_single")

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        give_back: Callable[[aiohttp.ClientResponse], None],
        *,
        single: bool,
    ) -> None:
        self._response = response
        self._content = response.content
        self._give_back = give_back
        self._single = single
        self._reader = EventReader()
        # Last first.
        self._ready: list[bytes] = []
        self._before = self._last = b""
        self._done = False

    async def next(self) -> bytes | None:
        """See ports.ProviderStream."""
        while not self._done:
            while self._ready:
                data = self._ready.pop()
                if data == DONE:
                    self._done = True
                    return None
                # An empty event is a sign of life of some providers.
                if data:
                    self._before, self._last = self._last, data
                    return data
            await self._read()
        return None

    async def close(self) -> None:
        """See ports.ProviderStream."""
        if self._done:
            self._give_back(self._response)
        else:
            self._response.close()

    async def _read(self) -> None:
        try:
            piece = await self._content.readany()
        except TRANSPORT_ERRORS as error:
            raise transport_failure(error) from shown_cause(error)
        if not piece:
            if self._reader.rest() != DONE and not self._ended_well():
                raise AttemptError(FailureReason.CONNECTION_LOST, "the stream ended without [DONE]")
            self._done = True
            return
        try:
            self._ready = self._reader.feed(piece)
        except EventTooLargeError as error:
            raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, "one event") from error
        self._ready.reverse()

    def _ended_well(self) -> bool:
        """Whether a stream without [DONE], which some providers never send, said that its one choice is finished.

        With several choices nothing less than [DONE] tells that the others are finished too.
        """
        if not self._single:
            return False
        finished, choices = _finished(self._last)
        return finished or (not choices and _finished(self._before)[0])


def _finished(data: bytes) -> tuple[bool, bool]:
    """Whether a chunk finishes its choice, and whether it has choices at all (a last one with the usage has none)."""
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        return False, True
    choices = fields.get("choices") if isinstance(fields, dict) else None
    if not choices:
        return False, choices is None
    first = choices[0] if isinstance(choices, list) else None
    return isinstance(first, dict) and bool(first.get("finish_reason")), True
