"""SIGTERM loses nothing (I12): under load, each service is told to end, and every accepted request is answered.

The supervisor starts the service again at once, as Kubernetes would start another pod.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from ..gateway_client import GatewayClient, ProblemError
from ..local_platform import LocalPlatform, running_platform
from ..waiting import wait_for

# The start of the platform counts to the first of them.
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

SERVICES = ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit")
CLIENTS = 4
# Seconds between a client's rounds.
PAUSE_S = 0.05
# Seconds of load before the signal.
BEFORE_S = 1.0
RUN_TIMEOUT_S = 120.0
READY_TIMEOUT_S = 60.0

ORCHESTRATION = """
apiVersion: amas.dev/v1alpha1
kind: AgentRole
metadata: {name: lister}
spec:
  version: 1.0.0
  purpose: Reads the history.
  model: {route: default}
  instructions: Read the history of the repository.
  input: {schema: {type: object, required: [repository], properties: {repository: {type: string}}}}
  output:
    schema:
      type: object
      required: [commits]
      properties: {commits: {type: array, items: {type: object}}}
  tools: [{name: git/git_log}]
  bounds: {steps: 8, modelCalls: 8, tokens: 50000, wallClock: 2m}
  data: {clearance: internal}
---
apiVersion: amas.dev/v1alpha1
kind: Orchestration
metadata: {name: history}
spec:
  version: 1.0.0
  input: {schema: {type: object, required: [repository], properties: {repository: {type: string}}}}
  steps: [{name: history, role: lister, with: {repository: "${input.repository}"}}]
  output: "${steps.history.output.commits}"
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    """One platform with an orchestration that asks no human."""
    folder = tmp_path_factory.mktemp("sigterm")
    with running_platform(folder) as started:
        started.apply_release_notes()
        manifest = folder / "history.yaml"
        manifest.write_text(ORCHESTRATION)
        started.command("apply", "-f", str(manifest), "--as", "developer")
        yield started


@dataclass
class Tally:
    """What the clients saw: runs that were accepted, and how each request ended."""

    runs: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


def load(client: GatewayClient, stop: threading.Event, tally: Tally) -> None:
    """Asks the model, starts a run and waits for its end, over and over: the load is bounded by the clients."""
    while not stop.is_set():
        try:
            body = {"model": "default", "messages": [{"role": "user", "content": "hello"}]}
            answer = client.call("POST", "/chat/completions", body)
            tally.outcomes["answered" if answer["choices"] else "empty"] += 1
            run = client.start("history", {"repository": "repository"})
            tally.runs.append(run)
            wait_for(f"the end of {run}", lambda run=run: client.ended(run), RUN_TIMEOUT_S)
        except ProblemError as problem:
            # A refusal with a reason is an answer: the client knows that nothing was accepted.
            tally.outcomes[f"refused {problem.status}"] += 1
            if problem.status < 500 and problem.status != 429:
                tally.lost.append(str(problem))
        except urllib.error.URLError as error:
            tally.outcomes["not connected"] += 1
            if not isinstance(error.reason, ConnectionRefusedError):
                tally.lost.append(repr(error))
        except (RemoteDisconnected, ConnectionResetError, TimeoutError) as error:
            tally.lost.append(repr(error))
        except AssertionError as error:
            tally.lost.append(str(error))
        stop.wait(PAUSE_S)


@pytest.mark.parametrize("service", SERVICES)
def test_every_accepted_request_is_answered(platform: LocalPlatform, service: str, tmp_path: Path):
    """No request is cut off, every accepted run ends well, and the record of the last one verifies."""
    client = GatewayClient(platform.status()["endpoints"]["api"], platform.token("developer"))
    tally, stop = Tally(), threading.Event()
    threads = [threading.Thread(target=load, args=(client, stop, tally)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        wait_for("load before the signal", lambda: len(tally.runs) >= CLIENTS, RUN_TIMEOUT_S)
        stop.wait(BEFORE_S)
        before = wait_for(f"a process of {service}", lambda: platform.pid(service), READY_TIMEOUT_S)
        os.kill(before, signal.SIGTERM)
        wait_for(f"another {service}", lambda: platform.pid(service) not in {0, before}, READY_TIMEOUT_S)
        wait_for("every part ready again", lambda: platform.status()["ready"], READY_TIMEOUT_S)
        accepted = len(tally.runs)
        wait_for("work after the signal", lambda: len(tally.runs) > accepted + CLIENTS, READY_TIMEOUT_S)
    finally:
        stop.set()
        for thread in threads:
            thread.join(READY_TIMEOUT_S)
    assert not tally.lost, (tally.lost[:5], tally.outcomes)
    deadline = time.monotonic() + RUN_TIMEOUT_S
    for run in tally.runs:
        ended = wait_for(f"the end of {run}", lambda run=run: client.ended(run), deadline - time.monotonic())
        assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
        assert len(json.loads(ended["outputJson"])) == len(platform.git("log", "--format=%h").splitlines())
    assert "verified" in platform.verify(tally.runs[-1], tmp_path)
