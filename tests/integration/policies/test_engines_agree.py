"""The same Rego decides the same on a real OPA and on the embedded engine."""

from __future__ import annotations

import pytest
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine

from .cases import Case, read_cases

pytestmark = pytest.mark.integration
BUNDLE = "sha256:" + "0" * 64


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", list(read_cases()), ids=str)
async def test_case_on_both_engines(case: Case, shared_beside, policy_set):
    """Each allowed and denied case holds on both engines, to the last word of the decision."""
    decisions = []
    for engine in (WasmEngine(), shared_beside.engine):
        await engine.load(BUNDLE, policy_set)
        decisions.append(await engine.decide(BUNDLE, case.document))
    assert decisions[0] == decisions[1]
    assert decisions[0]["effect"] == case.effect
    assert sorted(reason["code"] for reason in decisions[0]["reasons"]) == case.codes
    if case.approval is not None:
        assert decisions[0]["approval"] == case.approval


def test_every_policy_has_allowed_and_denied_cases():
    """A policy without a case on each side is not tested."""
    effects: dict[str, set[str]] = {}
    for case in read_cases():
        effects.setdefault(case.policy, set()).add("allow" if case.effect == "allow" else "refuse")
    assert all(found == {"allow", "refuse"} for found in effects.values()), effects
