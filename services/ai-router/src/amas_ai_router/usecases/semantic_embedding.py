"""Embeds questions for the semantic cache by a model route, as a call like any other: admitted, budgeted, on record."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import orjson
from amas_chassis.errors import AmasError

from amas_ai_router.domain.bodies import parse_answer
from amas_ai_router.domain.cached_answers import Embedding
from amas_ai_router.domain.errors import AttemptError, unavailable
from amas_ai_router.domain.model import CallContext, CallReport, ModelRequest, Operation

# Longest vector that is kept and compared; common models give 256 to 3,072 numbers.
MAX_DIMENSIONS = 4096

Embed = Callable[[ModelRequest], Awaitable[tuple[bytes, CallReport]]]
"""The router's own way of an embedding call, `Embed.run`."""


class EmbedByRoute:
    """Port `Embedder`."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed

    async def embed(self, context: CallContext, route: str, text: str) -> Embedding:
        """The vector of a text, of length 1. Raises AmasError, also for an answer that holds no vector."""
        body = orjson.dumps({"model": route, "input": text, "encoding_format": "float"})
        # The key is the asking call's; under it another body would be refused.
        answer, report = await self._embed(ModelRequest(replace(context, idempotency_key=""), route, body))
        return Embedding(_vector(answer), f"{report.provider}/{report.model}")


def _vector(answer: bytes) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    try:
        numbers = parse_answer(Operation.EMBEDDINGS, answer)["data"][0]["embedding"]
        vector = np.asarray(numbers, dtype=np.float64)
    except (AttemptError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _no_vector() from error
    length = float(np.linalg.norm(vector)) if vector.ndim == 1 and vector.size <= MAX_DIMENSIONS else 0.0
    if not math.isfinite(length) or length == 0:
        raise _no_vector()
    return (vector / length).astype(np.float32)


def _no_vector() -> AmasError:
    return unavailable("EMBEDDING_INVALID", "the embedding route gave no vector")
