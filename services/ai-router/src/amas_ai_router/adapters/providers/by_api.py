"""Hands each call to the adapter of its target's API. Heavy adapters are loaded when a target first needs them."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any, Protocol

from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.key_pool import KeyPool
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Operation, ProviderAnswer, Target
from amas_ai_router.ports import Providers, ProviderStream

from .http_session import HttpSession
from .openai_http import OpenAiHttp
from .openai_urls import APIS

# Modules of the adapters by a library, each with a function `make`: importing one takes up to a second.
_NATIVE = {"anthropic": ".anthropic_native", "bedrock": ".bedrock_native"}


class _Native(Providers, Protocol):
    async def close(self) -> None: ...


class ProvidersByApi:
    """All providers; make it inside the event loop."""

    def __init__(self, keys: KeyFiles, *, max_response_bytes: int, connect_timeout: float) -> None:
        self._keys = KeyPool(keys)
        self._max_bytes = max_response_bytes
        self._connect_timeout = connect_timeout
        self._http = HttpSession(max_response_bytes=max_response_bytes, connect_timeout=connect_timeout)
        self._openai = OpenAiHttp(self._keys, self._http)
        self._natives: dict[str, _Native] = {}
        self._loading = asyncio.Lock()

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        """See ports.Providers."""
        if target.api in APIS:
            return await self._openai.ask(target, operation, fields)
        return await (await self._native(target.api)).ask(target, operation, fields)

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> ProviderStream:
        """See ports.Providers."""
        if target.api in APIS:
            return await self._openai.open_stream(target, fields)
        return await (await self._native(target.api)).open_stream(target, fields)

    async def close(self) -> None:
        """Ends all connections."""
        for native in self._natives.values():
            await native.close()
        await self._http.close()

    async def _native(self, api: str) -> _Native:
        """The adapter of an API. Raises AttemptError API_UNSUPPORTED."""
        native = self._natives.get(api)
        if native is not None:
            return native
        if api not in _NATIVE:
            raise AttemptError(FailureReason.API_UNSUPPORTED, api)
        async with self._loading:
            if api not in self._natives:
                # Not in the event loop, which has streams to serve meanwhile.
                module = await asyncio.to_thread(import_module, _NATIVE[api], __package__)
                self._natives[api] = module.make(
                    self._keys, self._http, max_response_bytes=self._max_bytes, connect_timeout=self._connect_timeout
                )
        return self._natives[api]
