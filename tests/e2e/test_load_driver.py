"""The load of the proofs on a cluster, against a local platform: it sees what happens, and judges it by the log."""

from __future__ import annotations

import urllib.parse

import pytest

from ..cluster.load.bounds import Rates, Target
from ..cluster.load.driver import BackgroundLoad, LoadDriver
from ..cluster.load.outcomes import CHAT, READ, RUN, STREAM
from ..cluster.load.verdict import INTENT, OUTCOME, lost_or_repeated
from ..cluster.platform import CONTRACTS, RESOURCES, load_input
from ..gateway_client import GatewayClient
from ..local_platform import LocalPlatform
from ..waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
LOAD_TIMEOUT_S = 90.0
# So slow that a busy machine keeps up: what is tested is the driver, not the platform's speed.
RATES = Rates(runs=0.2, chats=0.5, streams=0.2, reads=0.5)
WRITE, KEY = '"effect":"write"', '"idempotencyKey":"'
ENOUGH = {RUN: 2, CHAT: 3, STREAM: 2, READ: 2}


@pytest.fixture
def driver(platform: LocalPlatform):
    """A load of runs that ask no human, on the platform of the session."""
    files = [CONTRACTS / "analyst.yaml", CONTRACTS / "writer.yaml", RESOURCES / "load.yaml"]
    platform.command("apply", *[part for file in files for part in ("-f", str(file))], "--as", "developer")
    endpoints = platform.status()["endpoints"]
    target = Target(urllib.parse.urlsplit(endpoints["api"]).netloc, endpoints["grpc"])
    token = platform.token("developer")
    return LoadDriver(target, lambda: token, RATES, orchestration="load", input_of=load_input)


def test_every_request_is_answered_and_every_run_ends_once(
    driver: LoadDriver, clean, developer: GatewayClient, auditor: GatewayClient
):
    """Nothing fails, and the log shows one end and one write of each run."""
    first = developer.start("load", load_input(0))
    wait_for("a first run", lambda: developer.ended(first), LOAD_TIMEOUT_S)
    with BackgroundLoad(driver) as load:
        wait_for(
            "some requests of each kind",
            lambda: all(len(load.so_far.of(kind)) >= count for kind, count in ENOUGH.items()),
            LOAD_TIMEOUT_S,
        )
        report = load.finish()
    assert not report.failed, report.errors()
    assert report.numbers()["requests"] == len(report.outcomes) >= sum(ENOUGH.values())
    assert len(set(report.runs)) == len(report.of(RUN))
    entries = [
        entry
        for run in report.runs
        for entry in auditor.call("GET", f"/audit/events?runId={run}&pageSize=500")["entries"]
    ]
    assert lost_or_repeated(report.runs, entries) == []
    assert any("2 effects, not 1" in said for said in lost_or_repeated(report.runs, twice(entries)))


def twice(entries):
    """The record with one write done again, under another key."""
    write = next(
        entry["event"] for entry in entries if entry["event"]["type"] == OUTCOME and WRITE in entry["event"]["dataJson"]
    )
    again = write["dataJson"].replace(KEY, KEY + "another-")
    return [
        *entries,
        *[{"runSequence": "0", "event": {**write, "type": one, "dataJson": again}} for one in (INTENT, OUTCOME)],
    ]


def test_a_failure_is_seen():
    """A load on a port where nobody listens fails with each of its requests."""
    nowhere = LoadDriver(
        Target("127.0.0.1:9", "127.0.0.1:9"),
        lambda: "token",
        Rates(1, 4, 1, 1),
        orchestration="load",
        input_of=load_input,
    )
    with BackgroundLoad(nowhere) as load:
        wait_for("some requests", lambda: len(load.so_far.outcomes) >= 4, LOAD_TIMEOUT_S)
        report = load.finish()
    assert len(report.failed) == len(report.outcomes)
