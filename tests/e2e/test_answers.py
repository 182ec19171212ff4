"""I7 on the whole platform: in a run's output and in its events callers see what its rules let them see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..gateway_client import GatewayClient
from ..waiting import wait_for
from . import graph_model

pytestmark = pytest.mark.e2e
RUN_TIMEOUT_S = 90.0
MANIFEST = Path(__file__).with_name("answers.yaml")
# Shaped like real ones, and nobody's.
ADDRESS = "ada@people.example"
SECRET = "ghp_" + "q7W8e9R0t1Y2u3I4o5P6a7S8d9F0g1H2j3K4"


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Reads a file, and tells all of it, with a secret that it made up."""
    messages = request["messages"]
    given = json.loads(messages[1]["content"])
    results = [str(message["content"]) for message in messages if message["role"] == "tool"]
    if not results:
        return graph_model.call("workspace__read_file", {"path": given["file"]})
    return graph_model.say({"text": f"{results[0]} {SECRET}"})


def seen(client: GatewayClient, run: str) -> str:
    """All that a caller gets to see of a run, as text."""
    ended = wait_for("the end of the run", lambda: client.ended(run), RUN_TIMEOUT_S)
    return json.dumps([ended, client.events(run)])


def test_callers_see_what_the_orchestration_lets_them_see(platform, clean, developer, tmp_path):
    """The same role and the same model: tokens where nothing is said, values where they are allowed, else nothing."""
    (platform.repository / "people.txt").write_text(f"Ask {ADDRESS} about it.\n")
    with graph_model.serve(answer) as url:
        manifest = tmp_path / "answers.yaml"
        manifest.write_text(MANIFEST.read_text().replace("MODEL_URL", url))
        platform.command("apply", "-f", str(manifest), "--as", "developer")
        runs = {
            name: developer.start(f"answers-{name}", {"file": "repository/people.txt"})
            for name in ("untold", "allowed", "denied")
        }
        views = {name: seen(developer, run) for name, run in runs.items()}
    ends = {name: developer.run(run) for name, run in runs.items()}
    assert [SECRET in view for view in views.values()] == [False] * 3
    assert "<EMAIL:" in ends["untold"]["outputJson"], json.dumps(ends["untold"])
    assert (ADDRESS in views["untold"], ADDRESS in views["allowed"]) == (False, True), json.dumps(ends["allowed"])
    assert "[redacted:github-token]" in ends["allowed"]["outputJson"]
    assert ADDRESS in ends["allowed"]["outputJson"]
    denied = ends["denied"]
    assert (denied["state"], denied["reason"]["code"]) == ("RUN_STATE_FAILED", "SENSITIVE_ANSWER")
    assert not denied.get("outputJson")
