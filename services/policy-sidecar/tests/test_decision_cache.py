"""The memory of decisions: right or silent. It answers only what was decided, under the bundle that decided it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from amas_chassis.errors import AmasError
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters import decision_cache
from amas_policy_sidecar.adapters.bundle_store import BundleStore
from amas_policy_sidecar.adapters.decision_cache import DecisionCache

from .fakes import ALLOW, DENY, FakeEngine
from .manifests import PUBLISHER, ROUTE, bundle, tool_server

ONE, OTHER = "sha256:1", "sha256:2"


class SlowEngine(FakeEngine):
    """Answers when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        await self.gate.wait()
        return await super().decide(bundle, document)


class Asked:
    """A cache over a fake engine that holds two bundles, and what was seen."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.seen: list[str] = []
        self.cache = DecisionCache(engine, self.seen.append)

    async def load(self) -> Asked:
        for name in (ONE, OTHER):
            await self.cache.load(name, PolicySet())
        return self


@pytest.fixture
async def asked() -> Asked:
    return await Asked(FakeEngine()).load()


async def test_an_equal_question_is_answered_without_the_engine(asked: Asked) -> None:
    """The order of keys is no difference; the answer is the same to the last word, and a caller cannot change it."""
    first = await asked.cache.decide(ONE, {"a": 1, "b": [2]})
    again = await asked.cache.decide(ONE, {"b": [2], "a": 1})
    assert first == again == ALLOW
    again["reasons"].clear()  # type: ignore[attr-defined]
    assert await asked.cache.decide(ONE, {"a": 1, "b": [2]}) == ALLOW
    assert len(asked.engine.documents) == 1
    assert asked.seen == ["miss", "hit", "hit"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": {"b": 1}}, {"a": {}, "b": 1}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"approval": None}, {"approval": {"id": "a", "valid": True}}),
    ],
)
async def test_another_question_is_asked(asked: Asked, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """The whole document is the key: no field, type or order is taken for another."""
    asked.engine.answer = lambda document: ALLOW if repr(document) == repr(one) else DENY
    assert await asked.cache.decide(ONE, one) == ALLOW
    assert await asked.cache.decide(ONE, other) == DENY
    assert asked.seen == ["miss", "miss"]


async def test_another_bundle_decides_for_itself(asked: Asked) -> None:
    """I3: what was decided under one bundle says nothing of another."""
    await asked.cache.decide(ONE, {})
    asked.engine.answer = DENY
    assert await asked.cache.decide(OTHER, {}) == DENY
    assert await asked.cache.decide(ONE, {}) == ALLOW


async def test_errors_are_not_kept(asked: Asked) -> None:
    """I2: an engine that heals is asked again; one that is away is away."""
    asked.engine.away = True
    for _ in range(2):
        with pytest.raises(AmasError):
            await asked.cache.decide(ONE, {})
    asked.engine.away = False
    assert await asked.cache.decide(ONE, {}) == ALLOW
    assert asked.seen == ["miss", "miss", "miss"]


@pytest.mark.parametrize("nonsense", [{}, {"effect": "allow"}, {**ALLOW, "effect": "escalate"}])
async def test_what_is_no_decision_is_not_kept(asked: Asked, nonsense: Any) -> None:
    """Nonsense may be the fault of a moment: it is handed on, where it is a denial, and asked again."""
    asked.engine.answer = nonsense
    assert await asked.cache.decide(ONE, {}) == nonsense
    asked.engine.answer = DENY
    assert await asked.cache.decide(ONE, {}) == DENY


async def test_equal_questions_at_the_same_time_are_asked_once() -> None:
    """A burst of equal questions costs one; a caller that gives up takes the answer from nobody."""
    asked = await Asked(engine := SlowEngine()).load()
    callers = [asyncio.create_task(asked.cache.decide(ONE, {"a": 1})) for _ in range(5)]
    await asyncio.sleep(0)
    callers[0].cancel()
    engine.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [ALLOW] * 4
    assert len(engine.documents) == 1
    assert asked.seen == ["miss", *["joined"] * 4]


async def test_an_error_reaches_all_who_wait_and_nobody_after() -> None:
    """Who joined a question that fails learns so; the next one asks anew."""
    asked = await Asked(engine := SlowEngine()).load()
    engine.away = True
    callers = [asyncio.create_task(asked.cache.decide(ONE, {})) for _ in range(3)]
    await asyncio.sleep(0)
    engine.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(answer, AmasError) for answer in answers)
    engine.away = False
    assert await asked.cache.decide(ONE, {}) == ALLOW


async def test_the_cache_dies_with_the_bundle() -> None:
    """A bundle that made room takes its decisions along, those under way too."""
    asked = await Asked(engine := SlowEngine()).load()
    first, second = (
        bundle(PUBLISHER, tool_server()),
        bundle(PUBLISHER, tool_server(), {**ROUTE, "metadata": {"name": "b"}}),
    )
    store = BundleStore(1, asked.cache.forget)
    store.put(first)
    engine.loaded |= {first.digest, second.digest}
    under_way = asyncio.create_task(asked.cache.decide(first.digest, {}))
    await asyncio.sleep(0)
    store.put(second)
    engine.gate.set()
    assert await under_way == ALLOW
    engine.answer = DENY
    assert await asked.cache.decide(first.digest, {}) == DENY
    await asked.cache.decide(second.digest, {})
    store.put(first)
    await asked.cache.decide(second.digest, {})
    assert asked.seen == ["miss"] * 4


async def test_the_cache_is_bounded(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was used longest ago makes room, and an endless decision is not kept at all."""
    monkeypatch.setattr(decision_cache, "MAX_ENTRIES", 2)
    for number in (1, 2, 1, 3, 1, 2):
        await asked.cache.decide(ONE, {"n": number})
    assert asked.seen == ["miss", "miss", "hit", "miss", "hit", "miss"]
    monkeypatch.setattr(decision_cache, "MAX_ENTRY_BYTES", 10)
    await asked.cache.decide(ONE, {"n": 4})
    await asked.cache.decide(ONE, {"n": 4})
    assert asked.seen[6:] == ["miss", "miss"]
