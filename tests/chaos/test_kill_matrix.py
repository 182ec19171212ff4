"""Every process is killed in every phase of the demo run, and the run still ends right (invariants I2, I4, I9).

`kill -9` of one process while the run is in one phase; the supervisor starts it again. After that: the run has
succeeded, the commit exists exactly once, and the audit trail verifies. Where the commit was under way when the process
died, its outcome may be unknown: the run then asks a human, who looks at the repository and answers, as I4 demands.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..gateway_client import GatewayClient, ProblemError
from ..local_platform import LocalPlatform, running_platform
from ..waiting import wait_for

# The start of the platform counts to the first of them.
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

PROCESSES = ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit", "postgres", "valkey")
# Phase -> the step that has just begun when the process is killed; `approved` is right after the human's answer.
PHASES = ("start", "history", "sort", "draft", "waiting", "approved")
PHASE_TIMEOUT_S = 90.0
RUN_TIMEOUT_S = 150.0


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    """One platform for the whole matrix: what one case breaks, the next one would meet."""
    with running_platform(tmp_path_factory.mktemp("chaos")) as started:
        started.apply_release_notes()
        yield started


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("process", PROCESSES)
def test_the_run_survives_the_loss_of_a_process(platform: LocalPlatform, process: str, phase: str, tmp_path: Path):
    """Kill one process in one phase: right result, one commit, a record that verifies."""
    head = platform.git("rev-parse", "HEAD")
    api = platform.status()["endpoints"]["api"]
    developer = GatewayClient(api, platform.token("developer"))
    manager = GatewayClient(api, platform.token("release-manager"))
    try:
        run = developer.start("release-notes", {"repository": "repository"})
        if phase != "approved":
            until_phase(developer, run, phase)
            kill(platform, process)
        until_approval(developer, run)
        approve(manager, developer, run)
        if phase == "approved":
            kill(platform, process)
        ended = until_end(platform, developer, manager, run, head)
        assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
        assert len(platform.commits_since(head)) == 1, platform.commits_since(head)
        wait_for("every part ready again", lambda: platform.status()["ready"], PHASE_TIMEOUT_S)
        assert "verified" in platform.verify(run, tmp_path)
    finally:
        platform.reset_repository(head)


def kill(platform: LocalPlatform, process: str) -> None:
    """Kills the process that the platform runs now; one that is being started again has none for a moment."""
    os.kill(wait_for(f"a process of {process}", lambda: platform.pid(process), PHASE_TIMEOUT_S), signal.SIGKILL)


def until_phase(client: GatewayClient, run: str, phase: str) -> None:
    """Waits until the run is in a phase."""

    def reached() -> bool:
        found = client.run(run)
        if phase == "start":
            return True
        if phase == "waiting":
            return client.pending_approval(run) is not None
        return any(step["path"] == phase and step["state"] != "STEP_STATE_PENDING" for step in found.get("steps", []))

    wait_for(f"phase {phase}", reached, PHASE_TIMEOUT_S)


def until_approval(client: GatewayClient, run: str) -> None:
    """Waits until the commit waits for its approval, in spite of the kill."""

    def asked() -> bool:
        ended = client.ended(run)
        if ended is not None:
            pytest.fail(f"the run ended before it asked: {ended}")
        return client.pending_approval(run) is not None

    wait_for("the approval of the commit", asked, RUN_TIMEOUT_S)


def approve(manager: GatewayClient, client: GatewayClient, run: str) -> None:
    """Approves, and asks again where the answer was cut off by the kill."""

    def answered() -> bool:
        pending = client.pending_approval(run)
        if pending is None:
            return True
        try:
            manager.decide(pending, approve=True)
        except ProblemError as problem:
            if problem.status < 500 and problem.reason != "APPROVAL_ALREADY_DECIDED":
                pytest.fail(f"the approval was refused: {problem}")
            raise
        return True

    wait_for("the approval to be taken", answered, PHASE_TIMEOUT_S)


def until_end(platform: LocalPlatform, client: GatewayClient, manager: GatewayClient, run: str, head: str):
    """Waits for the end; answers an unknown outcome by looking whether the commit is there."""

    def ended():
        pending = client.pending_approval(run)
        if pending is not None and pending["kind"] == "APPROVAL_KIND_UNKNOWN_OUTCOME":
            manager.decide(pending, approve=not platform.commits_since(head), reason="looked at the repository")
        return client.ended(run)

    return wait_for("the end of the run", ended, RUN_TIMEOUT_S)
