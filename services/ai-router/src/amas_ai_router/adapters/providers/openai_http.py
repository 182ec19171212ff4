"""Providers that speak the OpenAI API: the body goes through as it is, but for `model`."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson
from amas_chassis.read_timer import ReadTimer

from amas_ai_router.adapters.key_pool import KeyPool
from amas_ai_router.domain.bodies import parse_answer
from amas_ai_router.domain.errors import RejectedError
from amas_ai_router.domain.model import Operation, ProviderAnswer, Target

from .failures import TRANSPORT_ERRORS, shown_cause, transport_failure
from .http_session import JSON, HttpSession
from .openai_stream import OpenAiStream
from .openai_urls import address, authentication
from .stream_options import StreamOptions

_EVENTS = "text/event-stream"
_STREAM_ONLY = ("stream", "stream_options")


class OpenAiHttp:
    """OpenAI, Azure OpenAI and every compatible provider."""

    def __init__(self, keys: KeyPool, http: HttpSession) -> None:
        self._keys = keys
        self._http = http
        self._options = StreamOptions()

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        """See ports.Providers."""
        body = _body(target, {key: value for key, value in fields.items() if key not in _STREAM_ONLY})

        async def attempt(key: str | None) -> bytes:
            return await self._http.read(await self._post(target, operation, body, key, accept=JSON))

        timer = ReadTimer(target.total)
        try:
            content = await timer.wait(self._keys.run(target, attempt))
        except TRANSPORT_ERRORS as error:
            raise transport_failure(error) from shown_cause(error)
        finally:
            timer.stop()
        return ProviderAnswer(content, parse_answer(operation, content))

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> OpenAiStream:
        """See ports.Providers."""
        fields = self._options.taken(target, fields)
        try:
            return await self._open(target, fields)
        except RejectedError as error:
            without = self._options.without(error, fields)
            if without is None:
                raise
            stream = await self._open(target, without)
            self._options.learn(target, fields)
            return stream

    async def _open(self, target: Target, fields: dict[str, Any]) -> OpenAiStream:
        body = _body(target, fields)

        async def attempt(key: str | None) -> aiohttp.ClientResponse:
            return await self._post(target, Operation.CHAT, body, key, accept=_EVENTS)

        try:
            response = await self._keys.run(target, attempt)
        except TRANSPORT_ERRORS as error:
            raise transport_failure(error) from shown_cause(error)
        return OpenAiStream(response, self._http.give_back, single=fields.get("n") in (None, 1))

    async def _post(
        self, target: Target, operation: Operation, body: bytes, key: str | None, *, accept: str
    ) -> aiohttp.ClientResponse:
        headers = {} if key is None else dict((authentication(target, key),))
        return await self._http.post(address(target, operation), body, headers, accept=accept, secret=key)


def _body(target: Target, fields: dict[str, Any]) -> bytes:
    sent = {**fields, "model": target.model}
    if target.max_tokens_parameter == "max_tokens" and "max_completion_tokens" in sent:
        # An older API knows the bound by its older name only, and would answer without one.
        bound = sent.pop("max_completion_tokens")
        if bound is not None:
            sent["max_tokens"] = bound
    return orjson.dumps(sent)
