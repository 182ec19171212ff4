"""Proof 6: the NetworkPolicies open each arrow of the architecture and nothing else, by the word of cyclonus."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from .netpol.analyzer import Analyzer
from .netpol.matrix import ARROWS, PEERS, probes
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    """The program that asks cyclonus."""
    return Analyzer()


def allowed(analyzer: Analyzer, policies: list[dict[str, Any]]) -> set[Any]:
    """The probes that the policies let through."""
    asked = probes()
    questions = [{"from": one.source, "to": one.to, "port": one.port, "protocol": one.protocol} for one in asked]
    answers = analyzer.allowed(policies, PEERS, questions)
    return {one for one, answer in zip(asked, answers, strict=True) if answer}


def test_each_arrow_is_open_and_everything_else_shut(
    summary: Summary, analyzer: Analyzer, policies: list[dict[str, Any]]
):
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
