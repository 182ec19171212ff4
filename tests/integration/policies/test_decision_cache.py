"""Every case of every policy, asked twice through the cache: the engine hears it once and the answers are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters.decision_cache import DecisionCache
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine

from .cases import read_cases

pytestmark = pytest.mark.integration
BUNDLE = "sha256:" + "4" * 64


class CountedEngine(WasmEngine):
    """The embedded engine, and how often it was asked."""

    asked = 0

    async def decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked += 1
        return await super().decide(bundle, document)


async def test_every_case_is_answered_from_memory_as_by_the_engine(policy_set: PolicySet):
    """Distinct documents never share an answer, equal ones share it to the last word."""
    engine, seen = CountedEngine(), []
    cache = DecisionCache(engine, seen.append)
    await cache.load(BUNDLE, policy_set)
    cases = list(read_cases())
    fresh = [await engine.decide(BUNDLE, case.document) for case in cases]
    engine.asked = 0
    for _ in range(2):
        assert [await cache.decide(BUNDLE, case.document) for case in cases] == fresh
    distinct = len({repr(sorted(case.document.items())) for case in cases})
    assert engine.asked <= distinct
    assert seen.count("miss") == engine.asked
    assert seen[len(cases) :] == ["hit"] * len(cases)
