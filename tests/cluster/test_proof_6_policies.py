"""Proof 6: the NetworkPolicies open each arrow of the architecture and nothing else, by the word of cyclonus."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import CHART, NAMESPACE, RELEASE, VALUES
from .netpol.matrix import ARROWS, PEERS, probes
from .platform import ROOT
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
NETPOL_VALUES = Path(__file__).parent / "netpol" / "values.yaml"
ANALYSE_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def analyzer() -> Path:
    """The program that asks cyclonus, from the cache."""
    cache = os.environ.get("AMAS_CACHE_DIR") or str(Path.home() / ".cache" / "amas")
    done = subprocess.run(
        [str(ROOT / "scripts" / "ensure_netpol.sh"), cache], capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def policies() -> list[dict[str, Any]]:
    """The chart's NetworkPolicies, rendered."""
    rendered = subprocess.run(
        ["helm", "template", RELEASE, str(CHART), "--namespace", NAMESPACE]
        + [part for file in (VALUES, NETPOL_VALUES) for part in ("--values", str(file))],
        capture_output=True, text=True, timeout=ANALYSE_TIMEOUT_S, check=True,
    ).stdout  # fmt: skip
    found = [one for one in yaml.safe_load_all(rendered) if one and one["kind"] == "NetworkPolicy"]
    for policy in found:
        policy["metadata"].setdefault("namespace", NAMESPACE)
    return found


def allowed(analyzer: Path, policies: list[dict[str, Any]]) -> set[Any]:
    """The probes that the policies let through."""
    asked = probes()
    question = {
        "policies": policies,
        "peers": PEERS,
        "probes": [{"from": one.source, "to": one.to, "port": one.port, "protocol": one.protocol} for one in asked],
    }
    done = subprocess.run(
        [str(analyzer)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=ANALYSE_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {one for one, answer in zip(asked, json.loads(done.stdout), strict=True) if answer}


def test_each_arrow_is_open_and_everything_else_shut(summary: Summary, analyzer: Path, policies: list[dict[str, Any]]):
    """The whole matrix; and one policy less is found at once."""
    with summary.proof("6 policies", "each arrow open, everything else shut (cyclonus 0.5.6 over the charts)") as proof:
        found = allowed(analyzer, policies)
        proof.note(probes=len(probes()), open=len(found), arrows=len(ARROWS), by="cyclonus analyzer")
        assert sorted(ARROWS - found) == [], "arrows that are shut"
        assert sorted(found - ARROWS) == [], "open, and no arrow"
        without_deny = [one for one in policies if not one["metadata"]["name"].endswith("-audit")]
        assert allowed(analyzer, without_deny) != found
        wider = copy.deepcopy(policies)
        next(one for one in wider if one["metadata"]["name"].endswith("-audit"))["spec"]["ingress"].append({})
        assert allowed(analyzer, wider) > found
