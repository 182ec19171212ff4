"""Calls of providers as the use cases make them, for tests of every API."""

from __future__ import annotations

import asyncio
from typing import Any

from amas_ai_router.adapters.providers import anthropic_native, bedrock_native  # noqa: F401 - loaded by a first call else
from amas_ai_router.adapters.providers.by_api import ProvidersByApi
from amas_ai_router.domain.model import Operation, Target
from amas_ai_router.domain.stream_chunks import parse_chunk

from .fakes import MESSAGES

# Largest answer taken (bytes).
BOUND = 256 * 1024
# More than any attempt in these tests takes on a machine that is busy, in seconds.
PATIENCE = 60.0


def make_target(api: str, url: str, **changes: Any) -> Target:
    """A target with time-outs that only a test of them waits for."""
    fields: dict[str, Any] = {
        "provider": "p",
        "model": "m",
        "api": api,
        "base_url": url,
        "key_files": ("key",),
        "first_token": PATIENCE,
        "total": PATIENCE,
        "weight": 1,
        "prices": (),
        "max_output_tokens": 100,
        "max_tokens_parameter": "max_tokens",
        "api_version": "",
        "region": "",
        "key_cooldown": 30.0,
    }
    return Target(**{**fields, **changes})


async def answer_of(providers: ProvidersByApi, target: Target, *, stream: bool) -> list[bytes]:
    """All of an answer, asked for as the use cases do: they keep the time of streams and read their chunks."""
    fields = {"model": "route", "messages": MESSAGES}
    if not stream:
        return [(await providers.ask(target, Operation.CHAT, fields)).body]
    chunks = []
    async with asyncio.timeout(target.first_token):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        opened = await providers.open_stream(target, {**fields, **options})
        try:
            while (data := await opened.next()) is not None:
                chunks.append(parse_chunk(data).data)
        finally:
            await opened.close()
    return chunks
