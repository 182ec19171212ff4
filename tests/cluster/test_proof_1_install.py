"""Proof 1: from nothing to a governed run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .helm import Release
from .kube import Kube
from .load.verdict import lost_or_repeated
from .platform import ClusterPlatform
from .services import not_ready
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
READY_TIMEOUT_S = 180.0


def test_the_release_installs_and_runs(
    summary: Summary, kube: Kube, release: Release, platform: ClusterPlatform, good: dict[str, Any]
):
    """Every pod is ready, a governed run completes, its record is whole, and the chart's own test passes."""
    with summary.proof("1 install", "install from nothing; every pod Ready; a governed run; helm test") as proof:
        if release.installed():
            release.uninstall()
        with proof.timed("install_s"):
            release.upgrade(good)
            kube.until("every pod is ready", lambda: not not_ready(kube), READY_TIMEOUT_S)
        platform.apply_load()
        with proof.timed("first_run_s"):
            ended = platform.run_to_end()
        assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
        assert "number 0" in json.loads(ended["outputJson"])
        record = platform.record(ended["id"])
        assert lost_or_repeated([ended["id"]], record) == []
        proof.note(events_of_the_run=len(record), cost=ended["usage"]["cost"]["amount"])
        with proof.timed("helm_test_s"):
            release.test()
