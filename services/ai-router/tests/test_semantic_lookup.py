"""The semantic cache as a call sees it: it learns before it answers, and answers only where it may."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from amas_ai_router.domain.errors import unavailable
from amas_ai_router.domain.lexical_embedding import Vector
from amas_ai_router.domain.model import CallReport, ModelRequest
from amas_ai_router.domain.semantic_decision import MIN_OBSERVATIONS
from amas_ai_router.usecases import semantic_lookup
from amas_ai_router.usecases.answer_cache import AnswerCache
from amas_ai_router.usecases.semantic_embedding import EmbedByRoute
from amas_chassis.errors import AmasError
from amas_governance.labels import Confidentiality, Label
from amas_governance.resources.model_route import RouteClearance
from prometheus_client import CollectorRegistry

from .cache_fakes import (
    MEMO,
    SEMANTIC,
    USAGE,
    MemoryAnswers,
    MemorySemantics,
    Model,
    TableEmbedder,
    admission,
    make_cache,
    route_with,
    said,
    said_in_chunks,
    with_fields,
)
from .fakes import make_context

ROUTE = route_with(SEMANTIC)
ASKED, SIMILAR = "How do I reset my password?", "How can I reset my password?"
# So many equal answers that tau is below 1 at the rate of these tests.
ENOUGH = 2 * MIN_OBSERVATIONS


async def teach(cache: AnswerCache, route: Any = ROUTE, *, stream: bool = False, **context: Any) -> Model:
    """Asks the same often enough that the kept answer may be given."""
    model = Model()
    for _ in range(1 + ENOUGH):
        await model.through(cache, admission(route, ASKED, **context), stream=stream)
    return model


def always(registry: CollectorRegistry | None = None, **more: Any) -> AnswerCache:
    """Caches that give what they may (the draw is just below 1)."""
    return make_cache(MemoryAnswers(), registry=registry, **more)


async def test_it_learns_first_and_then_answers() -> None:
    """The model is asked until enough answers agreed; then it is not: the kept answer comes, said to be semantic."""
    registry = CollectorRegistry()
    cache = always(registry)
    model = await teach(cache)
    assert model.asked >= 1 + MIN_OBSERVATIONS
    hit = await model.through(cache, admission(ROUTE, ASKED))
    assert (hit.kind, hit.body, hit.usage) == ("semantic", said().body, USAGE)
    labels = {"route": "default", "verdict": "right"}
    verified = registry.get_sample_value("amas_router_cache_verifications_total", labels)
    assert verified == model.asked - 1


async def test_answers_that_differ_are_kept_apart() -> None:
    """A similar question with another answer becomes an entry of its own, and is never answered with the first one."""
    store = MemorySemantics()
    cache, model = always(semantics=store), Model()
    await model.through(cache, admission(ROUTE, ASKED), said("Open the settings."))
    for _ in range(ENOUGH):
        got = await model.through(cache, admission(ROUTE, SIMILAR), said("Ask the help desk."))
        assert got.body == said("Ask the help desk.").body
    ((first, second),) = [entries.values() for entries in store.entries.values()]
    assert first[2][True] == {}
    assert sum(first[2][False].values()) == 1
    assert sum(second[2][True].values()) >= 1


async def test_streams_are_compared_and_given_as_streams() -> None:
    """The text of the chunks is judged, and the chunks come back."""
    cache = always()
    model = await teach(cache, stream=True)
    hit = await model.through(cache, admission(ROUTE, ASKED), stream=True)
    assert (hit.kind, hit.body) == ("semantic", said_in_chunks("h", "i").body)
    before = model.asked
    await model.through(cache, admission(ROUTE, ASKED))
    assert model.asked == before + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"temperature": 1},
        {"messages": [{"role": "user", "content": ASKED + " Do not send a mail."}]},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED}]},
    ],
)
async def test_what_differs_elsewhere_is_another_question(changes: dict[str, Any]) -> None:
    """Tools, parameters, earlier messages, numbers and negations are no matter of similarity."""
    cache = always()
    model = await teach(cache)
    before = model.asked
    await model.through(cache, with_fields(admission(ROUTE, ASKED), **changes))
    assert model.asked == before + 1


async def test_no_cache_asks_and_teaches() -> None:
    """The caller gets a model's answer; the cache learns from it."""
    registry = CollectorRegistry()
    cache = always(registry)
    model = await teach(cache)
    before = model.asked
    assert (await model.through(cache, admission(ROUTE, ASKED, no_cache=True))).kind == "memo"
    assert model.asked == before + 1


async def test_data_above_the_clearance_takes_no_part() -> None:
    """What the route may see only pseudonymised: two questions may differ in nothing but a person."""
    clearance = RouteClearance(otherwise="pseudonymise")
    route, store = route_with(SEMANTIC, clearance=clearance), MemorySemantics()
    cache, label = always(semantics=store), Label(Confidentiality.RESTRICTED, frozenset({"pii"}))
    model = await teach(cache, route, label=label)
    assert model.asked == 1 + ENOUGH
    assert store.entries == {}


async def test_those_who_wait_get_a_semantic_answer_too() -> None:
    """With both caches a semantic hit ends the flight; it is not memoised, so it stays under its own rule."""
    answers = MemoryAnswers()
    route = route_with({**MEMO, **SEMANTIC})
    cache = make_cache(answers)
    model = Model()
    for number in range(1 + ENOUGH):
        # Each in other letters, so that the memo has none of them.
        await model.through(cache, admission(route, f"{ASKED}{'?' * number}"))
    kept = len(answers.values)
    hit = await model.through(cache, admission(route, ASKED + "  "))
    assert hit.kind == "semantic"
    assert len(answers.values) == kept
    await cache.drain()
    assert answers.leases == {}


async def test_questions_are_embedded_by_a_route() -> None:
    """Under the caller's context; vectors of another model are never compared."""
    embedder = TableEmbedder(lambda text: _unit(1.0 if "password" in text else -1.0))
    route = route_with({"semantic": {**SEMANTIC["semantic"], "embeddings": "embedding"}})
    cache, model = always(embedder=embedder), Model()
    for _ in range(1 + ENOUGH):
        await model.through(cache, admission(route, ASKED))
    hit = await model.through(cache, admission(route, "Lost password, what next?"))
    assert hit.kind == "semantic"
    context, asked_route, text = embedder.asked[-1]
    assert (context, asked_route, text) == (admission(route).context, "embedding", "Lost password, what next?")
    embedder.made_by = "p0/newer"
    before = model.asked
    await model.through(cache, admission(route, ASKED))
    assert model.asked == before + 1


async def test_calls_go_on_without_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedding route fails or hangs, or is missing: the model is asked, and a metric says so."""
    registry, embedder = CollectorRegistry(), TableEmbedder(lambda _: _unit(1.0))
    route = route_with({"semantic": {**SEMANTIC["semantic"], "embeddings": "embedding"}})
    cache, model = always(registry, embedder=embedder), Model()
    embedder.error = unavailable("MODEL_UNAVAILABLE", "away")
    await model.through(cache, admission(route, ASKED))
    embedder.error = TimeoutError()
    await model.through(cache, admission(route, ASKED))
    assert registry.get_sample_value("amas_router_cache_unavailable_total", {"part": "embeddings"}) == 2
    await model.through(always(), admission(route, ASKED))
    assert model.asked == 3
    assert semantic_lookup.EMBED_SECONDS <= 5


async def test_the_embedding_route_is_asked_as_a_call_of_its_own() -> None:
    """Without the caller's idempotency key, which stands for another body; the vector comes back with length 1."""
    requests: list[ModelRequest] = []
    answer: dict[str, Any] = {"data": [{"embedding": [3.0, 4.0]}]}

    async def embed(request: ModelRequest) -> tuple[bytes, CallReport]:
        requests.append(request)
        return orjson.dumps(answer), CallReport("c", "p0", "e", USAGE, 1, 1)

    embedder, context = EmbedByRoute(embed), make_context("sha256:b", idempotency_key="k", run_id="r")
    made = await embedder.embed(context, "embedding", "text")
    assert (made.made_by, made.vector.tolist()) == ("p0/e", [pytest.approx(0.6), pytest.approx(0.8)])
    assert (requests[0].context, requests[0].route) == (make_context("sha256:b", run_id="r"), "embedding")
    assert orjson.loads(requests[0].body)["input"] == "text"
    for vector in ([], [0.0], ["x"], [[1.0]], [1e400], None, [1.0] * 5000, {"a": 1}):
        answer["data"] = [{"embedding": vector}]
        with pytest.raises(AmasError) as caught:
            await embedder.embed(context, "embedding", "text")
        assert caught.value.reason == "EMBEDDING_INVALID"


def _unit(sign: float) -> Vector:
    return np.array([sign, 0.0], dtype=np.float32)
