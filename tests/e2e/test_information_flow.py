"""I6 on the whole platform: what untrusted content reaches, what keeps it away, and the two acts that lower a label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..gateway_client import GatewayClient
from ..local_platform import LocalPlatform
from ..waiting import wait_for
from . import flow_model, graph_model

pytestmark = pytest.mark.e2e
RUN_TIMEOUT_S = 90.0
MANIFEST = Path(__file__).with_name("flow.yaml")


def asked(client: GatewayClient, run: str) -> dict[str, Any]:
    """The approval that the run waits for; a run that ended instead says why."""

    def look() -> Any:
        ended = client.ended(run)
        assert ended is None, f"the run ended before it asked: {ended}"
        return client.pending_approval(run)

    return dict(wait_for("an approval", look, RUN_TIMEOUT_S))


def test_untrusted_content_goes_where_trusted_input_or_a_person_says(
    platform: LocalPlatform, clean, developer, release_manager, auditor, tmp_path
):
    """I6: an extraction and a declassified text taint nobody; a tainted write goes to a trusted path or asks."""
    lead = GatewayClient(platform.status()["endpoints"]["api"], platform.token("support-lead"))
    with graph_model.serve(flow_model.answer) as url:
        manifest = tmp_path / "flow.yaml"
        manifest.write_text(MANIFEST.read_text().replace("MODEL_URL", url))
        platform.command("apply", "-f", str(manifest), "--as", "developer")
        run = developer.start("flow", {"folder": "repository", "path": "repository/copy.txt"})
        shown = asked(developer, run)
        assert shown["kind"] == "APPROVAL_KIND_DECLASSIFICATION"
        # Before it: the copy went to the path of the run's input, although its content was untrusted.
        assert "Commit: " in (platform.repository / "copy.txt").read_text()
        release_manager.decide(shown, approve=True)
        astray = asked(developer, run)
        assert (astray["step"], astray["tool"]) == ("astray", "workspace/write_file")
        assert [reason["code"] for reason in astray["reasons"]] == ["ARGUMENTS_UNTRUSTED"]
        lead.decide(astray, approve=False)
        ended = wait_for("the end of the run", lambda: developer.ended(run), RUN_TIMEOUT_S)
    assert ended["state"] == "RUN_STATE_REJECTED", ended
    # Written in an untainted context by `publish`, and never by `astray`.
    assert "Commit: " in (platform.repository / "invented.txt").read_text()
    events = [entry["event"] for entry in auditor.call("GET", f"/audit/events?runId={run}&pageSize=200")["entries"]]
    lowered = {
        event["step"]: json.loads(event["dataJson"])["by"]
        for event in events
        if event["type"] == "dev.amas.label.lowered"
    }
    assert lowered == {"inspect": "constrainedExtraction", "copy": "declassification"}
    intents = {
        event["step"]: {reason["code"] for reason in json.loads(event["dataJson"])["decision"]["reasons"]}
        for event in events
        if event["type"] == "dev.amas.action.intent"
        and json.loads(event["dataJson"])["action"]["tool"] == "workspace/write_file"
    }
    assert set(intents) == {"note", "copy", "publish"}
    assert [step for step, codes in intents.items() if "ARGUMENTS_TRUSTED" in codes] == ["copy"]
    assert "verified" in platform.verify(run, tmp_path)
