"""A tool's credential is in no output of a run: in nothing that people, models, records, logs or disks get (I1)."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ..local_platform import CommandError, LocalPlatform
from ..waiting import wait_for
from . import graph_model

pytestmark = pytest.mark.e2e
RUN_TIMEOUT_S = 60.0
MANIFEST = Path(__file__).with_name("confessor.yaml")
HOSTILE = Path(__file__).parents[2] / "services" / "policy-sidecar" / "tests" / "hostile_server.py"
PLANTED = "planted-Credential-2.7182818284"


def forms() -> list[bytes]:
    """The planted credential as it could be found: plain, in hex, and in base64 wherever it stands within a text."""
    raw = PLANTED.encode()
    encoded = [base64.b64encode(b"x" * pad + raw)[4:-4] for pad in range(3)]
    return [raw, raw.hex().encode(), raw.hex().upper().encode(), *encoded]


def holding(outputs: dict[str, bytes]) -> list[str]:
    """Names of the outputs that hold it."""
    return [name for name, content in outputs.items() if any(form in content for form in forms())]


def files(folder: Path) -> dict[str, bytes]:
    """Everything that the platform keeps on disk, but the credentials themselves: logs, databases, state."""
    found = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names):
            # What is taken away meanwhile, as databases do with files of theirs, is not kept.
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and "credentials" not in path.relative_to(folder).parts:
                    found[str(path)] = path.read_bytes()
    return found


def metrics(platform: LocalPlatform) -> Iterator[tuple[str, bytes]]:
    """What each service answers for Prometheus, on whichever of its ports that is."""
    for part in platform.status()["parts"]:
        for connection in psutil.Process(int(part["pid"])).net_connections(kind="inet"):
            if connection.status != psutil.CONN_LISTEN:
                continue
            try:
                url = f"http://127.0.0.1:{connection.laddr.port}/metrics"
                with urllib.request.urlopen(url, timeout=10) as answer:
                    yield f"metrics of {part['name']}", answer.read()
            except (OSError, http.client.HTTPException):
                continue


def test_a_tool_that_confesses_is_not_heard(platform: LocalPlatform, developer, auditor, tmp_path):
    """It answers its environment as an error, in plain and in codes, says it on stderr and in its tool's description:
    neither model, answers, events, audit, logs, metrics nor anything on disk holds the credential."""
    asked: list[Any] = []

    def brain(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        results = [str(message["content"]) for message in request["messages"] if message["role"] == "tool"]
        return graph_model.say({"said": results[-1]}) if results else graph_model.call("confessor__confess", {})

    (platform.home / "credentials" / "confessor-token").write_text(PLANTED)
    (platform.workspace / "confessor").mkdir()
    shutil.copy(HOSTILE, platform.workspace / "confessor" / "server.py")
    manifest = tmp_path / "confessor.yaml"
    with graph_model.serve(brain) as url:
        manifest.write_text(MANIFEST.read_text().replace("MODEL_URL", url))
        platform.login("developer")
        outputs: dict[str, bytes] = {}
        for number, command in enumerate((["apply", "-f", str(manifest)], ["tools", "accept", "confessor", "--yes"])):
            outputs[f"command {number}"] = platform.command(*command, "--as", "developer").encode()
        run = developer.start("confession", {})
        ended = wait_for("the end of the run", lambda: developer.ended(run), RUN_TIMEOUT_S)

    assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
    assert "[redacted:credential]" in ended["outputJson"], "the tool has had it, and has told it"
    outputs["run"] = json.dumps(ended).encode()
    outputs["model"] = json.dumps(asked).encode()
    outputs["events"] = json.dumps(developer.events(run)).encode()
    outputs["audit"] = json.dumps(auditor.call("GET", f"/audit/events?runId={run}")).encode()
    assert "verified" in platform.verify(run, tmp_path)
    outputs |= files(tmp_path) | files(platform.home) | dict(metrics(platform))
    outputs["tool server"] = json.dumps(developer.call("GET", "/tool-servers/confessor")).encode()

    (platform.home / "credentials" / "confessor-token").write_text(f"{PLANTED}\nand more")
    with pytest.raises(CommandError) as refused:
        platform.command("tools", "accept", "confessor", "--yes", "--as", "developer")
    outputs["refusal"] = str(refused.value).encode()

    assert "TOOL_CREDENTIAL_MISSING" in str(refused.value)
    assert {"metrics of policy-sidecar", "metrics of orchestrator", "metrics of audit"} <= outputs.keys()
    assert any(b"tool server confessor" in content for name, content in outputs.items() if name.endswith(".log"))
    assert holding(outputs) == []
