"""Hands each call to the adapter of its target's API. Heavy adapters are loaded when a target first needs them."""

from __future__ import annotations

from typing import Any

from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.key_pool import KeyPool
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Operation, ProviderAnswer, Target
from amas_ai_router.ports import Providers, ProviderStream

from .openai_http import OpenAiHttp
from .openai_urls import APIS


class ProvidersByApi:
    """All providers; make it inside the event loop."""

    def __init__(self, keys: KeyFiles, *, max_response_bytes: int, connect_timeout: float) -> None:
        self._keys = KeyPool(keys)
        self._max_bytes = max_response_bytes
        self._connect_timeout = connect_timeout
        self._openai = OpenAiHttp(self._keys, max_response_bytes=max_response_bytes, connect_timeout=connect_timeout)

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        """See ports.Providers."""
        return await self._adapter(target).ask(target, operation, fields)

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> ProviderStream:
        """See ports.Providers."""
        return await self._adapter(target).open_stream(target, fields)

    async def close(self) -> None:
        """Ends all connections."""
        await self._openai.close()

    def _adapter(self, target: Target) -> Providers:
        if target.api in APIS:
            return self._openai
        raise AttemptError(FailureReason.API_UNSUPPORTED, target.api)
