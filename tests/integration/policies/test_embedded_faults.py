"""Faults of the embedded engine: each is UNAVAILABLE, says which it was, and leaves the engine fit to go on."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from amas_chassis.errors import AmasError
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters import wasm_host
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine

from .cases import read_cases

pytestmark = pytest.mark.integration
BUNDLE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
CASE = next(case for case in read_cases() if case.policy == "main/decision")


def compiled(folder: Path, decision: str) -> PolicySet:
    """A policy that always answers the same, compiled by the pinned OPA."""
    source = folder / "policy.rego"
    source.write_text(f"package amas.main\n\ndecision := {decision}\n")
    archive = folder / "bundle.tar.gz"
    command = ["opa", "build", "--target", "wasm", "--entrypoint", "amas/main/decision", "--output", archive, source]
    subprocess.run([*map(str, command)], check=True, capture_output=True)
    with tarfile.open(archive) as bundle:
        module = bundle.extractfile("/policy.wasm")
        assert module is not None
        return PolicySet(modules={"policy.rego": source.read_text()}, wasm=module.read())


async def fault(engine: WasmEngine, seen: list[str], document: object = CASE.document) -> str:
    """The kind of fault that a question ends with, as the error says and as it was counted."""
    with pytest.raises(AmasError) as caught:
        await engine.decide(BUNDLE, document)  # type: ignore[arg-type]
    assert caught.value.reason == "POLICY_ENGINE_UNAVAILABLE"
    assert caught.value.metadata["fault"] == seen[-1]
    return seen[-1]


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def engine(seen: list[str]) -> WasmEngine:
    return WasmEngine(seen.append)


async def test_slow(engine, seen, policy_set, monkeypatch):
    """A policy that would take too long is stopped, and the next question is answered."""
    await engine.load(BUNDLE, policy_set)
    with monkeypatch.context() as patched:
        patched.setattr(wasm_host, "FUEL", 5_000)
        assert await fault(engine, seen) == "slow"
    assert (await engine.decide(BUNDLE, CASE.document))["effect"] == CASE.effect


async def test_out_of_date(engine, seen):
    """Policies that were not loaded decide nothing."""
    assert await fault(engine, seen) == "out_of_date"


@pytest.mark.parametrize("decision", ['"allow"', "[1]", "true", "null", "input.missing"])
async def test_nonsense(engine, seen, tmp_path, decision):
    """What is no object is no decision, nor is no answer at all."""
    await engine.load(BUNDLE, compiled(tmp_path, decision))
    assert await fault(engine, seen) == "nonsense"


async def test_failed(engine, seen, policy_set, tmp_path):
    """A module that aborts, and a question that cannot be put; neither harms the next one."""
    await engine.load(BUNDLE, compiled(tmp_path, '{"n": abs(to_number(input.text))}'))
    assert await fault(engine, seen, {"text": "1.2.3"}) in ("failed", "nonsense")
    await engine.load(OTHER, policy_set)
    assert (await engine.decide(OTHER, CASE.document))["effect"] == CASE.effect
    assert await fault(engine, seen, {"text": float("nan")}) == "failed"


async def test_refused(engine, seen):
    """A module that is none is refused when it is loaded."""
    with pytest.raises(AmasError):
        await engine.load(BUNDLE, PolicySet(modules={}, wasm=b"no module"))
    assert seen == ["refused"]
