"""What the benchmarks measure is what they say: the shipped resources, every part once, ratios pair by pair."""

from __future__ import annotations

import os

import pytest
from amas_governance.consistency import check
from amas_governance.loader import SourceFile, load

from ..local_platform import CONTRACTS
from . import reference_resources
from .engine import OURS, PEER, SIDES, _rows
from .engine_load import Spent
from .part_cpu import CLIENT, cpu_seconds, difference
from .reference_resources import RAISED, write_resources

MODEL = """
apiVersion: amas.dev/v1alpha1
kind: ModelProvider
metadata: {name: local}
spec: {api: openai, baseUrl: "http://127.0.0.1:1/v1", models: {scripted: {}}}
---
apiVersion: amas.dev/v1alpha1
kind: ModelRoute
metadata: {name: default}
spec: {targets: [{provider: local, model: scripted}]}
"""


def test_the_reference_run_is_made_of_the_shipped_roles(tmp_path):
    """The resources load and fit together, and nothing but the tool servers' rates differs from what is shipped."""
    folder = write_resources(tmp_path / "resources")
    files = [SourceFile(path.name, path.read_text()) for path in sorted(folder.iterdir())]
    loaded = load([*files, SourceFile("model.yaml", MODEL)])
    assert not loaded.problems
    assert not check(loaded.resources)
    for path in folder.iterdir():
        shipped = CONTRACTS / "release-notes" / path.name
        if not shipped.exists():
            assert path.name == reference_resources.ORCHESTRATION.name
            continue
        mine, theirs = path.read_text().splitlines(), shipped.read_text().splitlines()
        changed = [line for line, other in zip(mine, theirs, strict=True) if line != other]
        assert all(RAISED in line for line in changed)


def test_a_tool_server_without_a_rate_is_noticed(tmp_path, monkeypatch):
    """If a shipped tool server no longer says its rate in this form, the benchmark does not run against its limit."""
    contracts = tmp_path / "contracts" / "release-notes"
    contracts.mkdir(parents=True)
    for name in (*reference_resources.ROLES, *reference_resources.TOOL_SERVERS):
        (contracts / name).write_text("spec: {}\n")
    monkeypatch.setattr(reference_resources, "CONTRACTS", contracts.parent)
    with pytest.raises(ValueError, match="states 0 rates"):
        write_resources(tmp_path / "resources")


def test_cpu_is_the_difference_of_two_readings():
    """A part that is there counts from its first reading on, and this process is one of the parts."""
    status = {"parts": [{"name": "gateway", "pid": os.getpid()}, {"name": "gone", "pid": 0}]}
    before = cpu_seconds(status)
    sum(number * number for number in range(2_000_000))
    spent = difference(before, cpu_seconds(status))
    assert spent["gateway"] > 0
    assert spent[CLIENT] > 0
    assert "gone" not in spent or spent["gone"] >= 0


def test_ratios_are_taken_pair_by_pair():
    """A slow minute that both sides share does not move the ratio."""
    found = {side: [Spent(100, 1.0, 0.1), Spent(100, 4.0, 0.1)] for side in SIDES}
    found[OURS] = [Spent(100, 2.0, 0.2), Spent(100, 8.0, 0.2)]
    rows = _rows(found)
    speed, spread, cpu = rows[:3]
    assert speed.peer == PEER
    assert speed.ratio == pytest.approx(0.5)
    assert speed.meets is False
    assert spread.value == pytest.approx(0)
    assert cpu.ratio == pytest.approx(2)
