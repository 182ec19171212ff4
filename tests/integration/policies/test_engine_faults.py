"""An engine that is gone, slow, out of date, broken or nonsensical never allows: each is UNAVAILABLE with a reason."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from aiohttp import web
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters import opa_engine, opa_revisions, wasm_engine
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine
from amas_policy_sidecar.domain.engine_reports import EngineStatus

from .cases import read_cases
from .conftest import serve_as_opa
from .opa_beside import Beside, eventually

pytestmark = pytest.mark.integration
BUNDLE = "sha256:" + "1" * 64
CASE = next(case for case in read_cases() if case.policy == "main/decision")


async def refused(engine, document=None) -> str:
    """Asserts that a decision fails as a fault of the engine; answers what is said about it."""
    with pytest.raises(AmasError) as caught:
        await engine.decide(BUNDLE, document or CASE.document)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert caught.value.reason == "POLICY_ENGINE_UNAVAILABLE"
    assert caught.value.retry_after
    return caught.value.message


async def decided(engine) -> None:
    """Returns once the engine decides the case as it should, with what a caller does after a refusal: ask again."""
    async with asyncio.timeout(60):
        while True:
            try:
                assert (await engine.decide(BUNDLE, CASE.document))["effect"] == CASE.effect
            except AmasError:
                await asyncio.sleep(0.05)
            else:
                return


async def listed(made: Beside, policies: PolicySet) -> None:
    """Loads the policies where no OPA runs: the report that it would send is made up."""
    loading = asyncio.create_task(made.engine.load(BUNDLE, policies))
    await eventually(lambda: bool(made.revisions.names()))
    name = made.revisions.names()[0]
    made.revisions.report(EngineStatus("made-up", active={name: made.revisions.bundle(name).revision}))
    await loading


async def test_a_bundle_that_was_not_loaded_decides_nothing(tmp_path):
    """No policies, no decision."""
    await refused(WasmEngine())
    assert "not loaded" in await refused(Beside(tmp_path).engine)


async def test_an_opa_that_is_away_is_unavailable_and_heals(beside, policy_set):
    """A restarted OPA has lost its policies; it fetches them again by itself, and nothing is decided before."""
    await beside.engine.load(BUNDLE, policy_set)
    await decided(beside.engine)
    beside.opa.stop()
    assert "did not answer" in await refused(beside.engine)
    with pytest.raises(AmasError):
        await beside.engine.check()
    beside.opa.start()
    await decided(beside.engine)
    await beside.well()
    assert beside.counted("amas_policy_engine_faults", fault="gone") >= 1


def stands_still(pid: int) -> bool:
    """Whether each thread of a process is stopped."""
    states = [
        (thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in Path(f"/proc/{pid}/task").iterdir()
    ]
    return set(states) == {"T"}


@pytest.fixture
def second(monkeypatch):
    """What the product gives OPA; `beside` is made with it where this one comes first."""
    monkeypatch.setattr(opa_engine, "DECIDE_TIMEOUT", 1.0)


async def test_a_frozen_opa_is_slow_and_a_denial(second, beside, policy_set):
    """Within a second there is a decision or there is none; a late answer is never used."""
    await beside.engine.load(BUNDLE, policy_set)
    beside.opa.process.send_signal(signal.SIGSTOP)
    await eventually(lambda: stands_still(beside.opa.process.pid))
    assert "within 1 s" in await refused(beside.engine)
    assert beside.counted("amas_policy_engine_faults", fault="slow") == 1
    beside.opa.process.send_signal(signal.SIGCONT)
    await decided(beside.engine)


async def test_a_restarted_sidecar_heals(beside, policy_set):
    """OPA drops what a new sidecar does not list, and takes it again when a run asks for it."""
    await beside.engine.load(BUNDLE, policy_set)
    await beside.stop_sidecar()
    beside.renew()
    await beside.api.start()
    await refused(beside.engine)
    await beside.engine.load(BUNDLE, policy_set)
    await decided(beside.engine)


@pytest.mark.parametrize("wasm", [b"", b"\0asm", b"not wasm at all"])
async def test_a_broken_module_is_refused_when_loaded(wasm):
    """A module that is no policy never comes to decide."""
    engine = WasmEngine()
    with pytest.raises(AmasError) as caught:
        await engine.load(BUNDLE, PolicySet(modules={}, wasm=wasm))
    assert caught.value.reason == "POLICY_ENGINE_UNAVAILABLE"
    await refused(engine)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("package amas.main\n\ndecision := {", "refuses the bundle's policies"),
        ("package other\n\nallow := true", "refuses the bundle's policies"),
        ('package amas.main\n\ndecision := http.send({"url": "http://127.0.0.1"})', "may not call http.send"),
        ("package amas.main\n\ndecision := opa.runtime()", "may not call opa.runtime"),
    ],
)
async def test_broken_policies_are_refused_when_loaded(beside, policy_set, source, why):
    """What OPA cannot compile, or could do more than decide, is refused by name, and others are served all the same."""
    with pytest.raises(AmasError, match=why):
        await beside.engine.load(BUNDLE, PolicySet(modules={"broken/policy.rego": source}))
    await refused(beside.engine)
    await beside.engine.load(BUNDLE, policy_set)
    await decided(beside.engine)
    await beside.engine.check()


@pytest.mark.parametrize("body", ["", "[]", "nonsense", "{" * 3_000_000, "{}"])
async def test_an_opa_that_answers_nonsense_is_unavailable(body, policy_set, tmp_path):
    """What does not say under which revision it was decided is no decision, and an endless answer is cut off."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    made = Beside(tmp_path)
    await listed(made, policy_set)
    async with serve_as_opa(made.opa.socket, answer):
        await refused(made.engine)
        await made.engine.close()


@pytest.mark.parametrize(
    ("result", "revision", "why"),
    [
        ("allow", None, "no decision"),
        (True, None, "no decision"),
        ({"effect": "allow"}, "sha256:" + "f" * 64, "another revision"),
        ({"effect": "allow"}, "", "another revision"),
    ],
)
async def test_only_an_object_under_the_pinned_revision_is_a_decision(result, revision, why, policy_set, tmp_path):
    """An OPA that is out of date is refused even if it would allow."""
    made = Beside(tmp_path)
    await listed(made, policy_set)
    name = made.revisions.names()[0]
    says = made.revisions.bundle(name).revision if revision is None else revision

    async def answer(request: web.Request) -> web.Response:
        provenance = {"bundles": {name: {"revision": says}}}
        return web.Response(text=json.dumps({"result": result, "provenance": provenance}))

    async with serve_as_opa(made.opa.socket, answer):
        assert why in await refused(made.engine)
        await made.engine.close()


async def test_an_opa_that_refuses_is_unavailable(policy_set, tmp_path):
    """Any status but 200 is a fault."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=401, text="{}")

    made = Beside(tmp_path)
    await listed(made, policy_set)
    async with serve_as_opa(made.opa.socket, answer):
        assert "OPA answered 401" in await refused(made.engine)
        with pytest.raises(AmasError):
            await made.engine.check()
        await made.engine.close()


@pytest.mark.parametrize("kind", ["opa", "wasm"])
async def test_policies_that_made_room_can_be_loaded_again(kind, beside, policy_set, monkeypatch):
    """The number of sets is bounded, and one that was forgotten decides again once it is loaded again."""
    monkeypatch.setattr(opa_revisions, "MAX_REVISIONS", 1)
    monkeypatch.setattr(wasm_engine, "MAX_BUNDLES", 1)
    engine = beside.engine if kind == "opa" else WasmEngine()
    other = PolicySet({name: f"{source}\n# other\n" for name, source in policy_set.modules.items()}, policy_set.wasm)
    await engine.load(BUNDLE, policy_set)
    await engine.load("sha256:" + "3" * 64, other)
    await refused(engine)
    await engine.load(BUNDLE, policy_set)
    await decided(engine)
