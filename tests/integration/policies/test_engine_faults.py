"""An engine that is gone, broken or nonsensical never allows: each fault is UNAVAILABLE, and the caller denies."""

from __future__ import annotations

import pytest
from aiohttp import web
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters import opa_engine, wasm_engine
from amas_policy_sidecar.adapters.opa_engine import OpaEngine
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine

from .cases import read_cases
from .conftest import OpaProcess

pytestmark = pytest.mark.integration
BUNDLE = "sha256:" + "1" * 64
CASE = next(case for case in read_cases() if case.policy == "main/decision")


async def refused(engine, document=None) -> AmasError:
    """Asserts that a decision fails as a fault of the engine."""
    with pytest.raises(AmasError) as caught:
        await engine.decide(BUNDLE, document or CASE.document)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert caught.value.reason == "POLICY_ENGINE_UNAVAILABLE"
    return caught.value


async def test_a_bundle_that_was_not_loaded_decides_nothing():
    """No policies, no decision."""
    await refused(WasmEngine())
    await refused(OpaEngine("http://127.0.0.1:9"))


async def test_an_opa_that_is_away_is_unavailable_and_heals(policy_set):
    """A restarted OPA has lost its policies; the engine puts them back by itself."""
    opa = OpaProcess()
    opa.start()
    engine = OpaEngine(opa.url)
    try:
        await engine.load(BUNDLE, policy_set)
        assert (await engine.decide(BUNDLE, CASE.document))["effect"] == CASE.effect
        opa.stop()
        await refused(engine)
        with pytest.raises(AmasError):
            await engine.check()
        opa.start()
        assert (await engine.decide(BUNDLE, CASE.document))["effect"] == CASE.effect
        await engine.check()
    finally:
        opa.stop()
        await engine.close()


@pytest.mark.parametrize("wasm", [b"", b"\0asm", b"not wasm at all"])
async def test_a_broken_module_is_refused_when_loaded(wasm):
    """A module that is no policy never comes to decide."""
    engine = WasmEngine()
    with pytest.raises(AmasError) as caught:
        await engine.load(BUNDLE, PolicySet(modules={}, wasm=wasm))
    assert caught.value.reason == "POLICY_ENGINE_UNAVAILABLE"
    await refused(engine)


@pytest.mark.parametrize("body", ["", "[]", "nonsense", '{"result": "allow"}', '{"result": true}', "{" * 3_000_000])
async def test_an_opa_that_answers_nonsense_is_unavailable(body, policy_set, aiohttp_port):
    """Only an object counts as a decision, and an endless answer is cut off."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body if request.method == "POST" else "{}", content_type="application/json")

    async with aiohttp_port(answer) as url:
        engine = OpaEngine(url)
        try:
            await engine.load(BUNDLE, policy_set)
            await refused(engine)
        finally:
            await engine.close()


async def test_two_sets_of_policies_live_side_by_side(opa, policy_set):
    """A run keeps the policies that it started under while newer ones decide for newer runs."""
    stricter = {
        name: source.replace('effectful := {"write",', 'effectful := {"read", "write",')
        for name, source in policy_set.modules.items()
    }
    engine, other = OpaEngine(opa.url), "sha256:" + "2" * 64
    document = {**CASE.document, "context": {"label": {"confidentiality": "internal", "categories": []}}}
    try:
        await engine.load(BUNDLE, policy_set)
        await engine.load(other, PolicySet(modules=stricter, wasm=policy_set.wasm))
        assert (await engine.decide(BUNDLE, document))["effect"] == "allow"
        assert (await engine.decide(other, document))["effect"] == "escalate"
    finally:
        await engine.close()


@pytest.mark.parametrize("kind", ["opa", "wasm"])
async def test_policies_that_made_room_can_be_loaded_again(kind, opa, policy_set, monkeypatch):
    """The number of bundles is bounded, and one that was forgotten decides again once it is loaded again."""
    monkeypatch.setattr(opa_engine, "MAX_BUNDLES", 1)
    monkeypatch.setattr(wasm_engine, "MAX_BUNDLES", 1)
    engine = OpaEngine(opa.url) if kind == "opa" else WasmEngine()
    try:
        await engine.load(BUNDLE, policy_set)
        await engine.load("sha256:" + "3" * 64, policy_set)
        await refused(engine)
        await engine.load(BUNDLE, policy_set)
        assert (await engine.decide(BUNDLE, CASE.document))["effect"] == CASE.effect
    finally:
        if kind == "opa":
            await engine.close()
