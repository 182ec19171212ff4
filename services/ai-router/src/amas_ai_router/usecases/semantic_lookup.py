"""Answers a question with what a similar one was answered, or learns from the fresh answer whether that would be right.

Only for routes that ask for it, and only for requests that `domain/semantic_question.py` lets through. A call whose
data the route may see only pseudonymised takes no part: two such questions can differ just in whom they are about.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from amas_chassis.errors import AmasError
from amas_governance.resources import ModelRouteSpec

from amas_ai_router.domain.cache_keys import CacheKey, CacheKeys
from amas_ai_router.domain.cached_answers import CachedAnswer, Embedding, Neighbour, answer_text, seal, unseal
from amas_ai_router.domain.lexical_embedding import NAME, lexical_vector
from amas_ai_router.domain.model import Operation
from amas_ai_router.domain.semantic_decision import MIN_SIMILARITY, FittedDecision, step_of
from amas_ai_router.domain.semantic_judge import Judge, same_answer
from amas_ai_router.domain.semantic_question import question_of
from amas_ai_router.ports import Embedder, SemanticStore
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission

# What an embedding may take (seconds): a cache that is slower than this is not worth waiting for.
EMBED_SECONDS = 2.0
# Largest answer that is compared, in bytes; comparing takes time on the loop.
MAX_COMPARED_BYTES = 64 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a lookup found: where the question stands, its nearest neighbour, and the answer if it may be given."""

    key: CacheKey
    embedding: Embedding
    neighbour: Neighbour | None
    kept: CachedAnswer | None
    hit: CachedAnswer | None


class SemanticLookup:
    """The semantic cache. `embedder` may be None where no route embeds; `draw` gives numbers in [0, 1)."""

    def __init__(
        self,
        store: SemanticStore,
        embedder: Embedder | None,
        keys: CacheKeys,
        telemetry: RouterTelemetry,
        draw: Callable[[], float],
        judge: Judge = same_answer,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._keys = keys
        self._telemetry = telemetry
        self._draw = draw
        self._judge = judge

    async def look(self, admission: Admission, *, stream: bool) -> Tried | None:
        """None if the request takes no part; else what is known, with a hit if the kept answer may be given."""
        spec = admission.route.spec
        if spec.cache.semantic is None or admission.operation is not Operation.CHAT or not _cleared(admission, spec):
            return None
        question = question_of(admission.fields)
        if question is None:
            return None
        embedding = await self._embed(admission, question.text)
        if embedding is None or not embedding.vector.any():
            return None
        rest = {**question.rest, "embedded_by": embedding.made_by}
        key = self._keys.semantic(admission.context, admission.route, rest, stream=stream)
        neighbour = await self._store.nearest(key, embedding.vector)
        if neighbour is None or neighbour.similarity < MIN_SIMILARITY:
            return Tried(key, embedding, None, None, None)
        kept = unseal(neighbour.value, key.digest, admission.context.label, "semantic")
        if kept is None:
            return Tried(key, embedding, None, None, None)
        tau = FittedDecision(neighbour.seen).explore_probability(
            neighbour.similarity, spec.cache.semantic.max_error_rate
        )
        give = not admission.context.no_cache and self._draw() >= tau
        return Tried(key, embedding, neighbour, kept, kept if give else None)

    async def learn(self, admission: Admission, tried: Tried, fresh: CachedAnswer, *, stream: bool) -> None:
        """A model was asked: learns whether the kept answer was right, and keeps the fresh one if it was not."""
        semantic = admission.route.spec.cache.semantic
        if semantic is None or len(fresh.body) > MAX_COMPARED_BYTES:
            return
        said = answer_text(fresh.body, stream=stream)
        if not said.strip():
            return
        if tried.neighbour is not None and tried.kept is not None:
            right = self._judge(answer_text(tried.kept.body, stream=stream), said)
            self._telemetry.cache_verified(admission.route.name, right=right)
            step = step_of(tried.neighbour.similarity)
            await self._store.observe(tried.key, tried.neighbour.entry_id, step, right=right)
            if right:
                return
        value = seal(fresh, tried.key.digest, admission.context.label)
        await self._store.add(tried.key, tried.embedding.vector, value, semantic.ttl)

    async def _embed(self, admission: Admission, text: str) -> Embedding | None:
        semantic = admission.route.spec.cache.semantic
        if semantic is None or semantic.embeddings is None:
            return Embedding(lexical_vector(text), NAME)
        if self._embedder is None or semantic.embeddings == admission.route.name:
            return None
        try:
            async with asyncio.timeout(EMBED_SECONDS):
                return await self._embedder.embed(admission.context, semantic.embeddings, text)
        except (AmasError, TimeoutError) as error:
            # The call goes on without the cache; what stopped the embedding (a budget, policy) it meets itself.
            _log.info("no embedding for the semantic cache: %s", type(error).__name__)
            self._telemetry.cache_unavailable("embeddings")
            return None


def _cleared(admission: Admission, spec: ModelRouteSpec) -> bool:
    return admission.context.label.within(spec.clearance.confidentiality, spec.clearance.categories)
