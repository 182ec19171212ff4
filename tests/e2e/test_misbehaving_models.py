"""A model that misbehaves is refused with a reason, bounded, and on the record."""

from __future__ import annotations

import pytest

from ..local_platform import LocalPlatform
from ..waiting import wait_for

pytestmark = pytest.mark.e2e
RUN_TIMEOUT_S = 60.0

MANIFEST = """
apiVersion: amas.dev/v1alpha1
kind: ModelProvider
metadata: {{name: {name}}}
spec:
  api: openai
  baseUrl: {url}
  keys: [{{file: local}}]
  models:
    {model}: {{prices: [{{from: 2026-01-01, inputPerMillion: "1", outputPerMillion: "1", currency: USD}}]}}
---
apiVersion: amas.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec: {{targets: [{{provider: {name}, model: {model}}}]}}
---
apiVersion: amas.dev/v1alpha1
kind: AgentRole
metadata: {{name: {name}}}
spec:
  version: 1.0.0
  purpose: Meets a model that misbehaves.
  model: {{route: {name}}}
  instructions: Read the history.
  input: {{schema: {{type: object}}}}
  output: {{schema: {{type: object, required: [answer], properties: {{answer: {{type: string}}}}}}}}
  tools: [{{name: git/git_log}}]
  bounds: {{steps: 4, modelCalls: 4, tokens: 20000, cost: {{amount: "1", currency: USD}}, wallClock: 15s}}
  data: {{clearance: internal}}
---
apiVersion: amas.dev/v1alpha1
kind: Orchestration
metadata: {{name: {name}}}
spec:
  version: 1.0.0
  input: {{schema: {{type: object}}}}
  steps: [{{name: only, role: {name}, with: {{repository: repository}}}}]
  output: "${{steps.only.output.answer}}"
"""


@pytest.mark.parametrize(
    "model",
    [
        "scripted-nonsense",
        "scripted-unknown-tool",
        "scripted-bad-arguments",
        "scripted-loop",
        "scripted-megabytes",
        "scripted-error",
    ],
)
def test_it_ends_bounded_with_a_reason_and_verifies(platform: LocalPlatform, developer, model, tmp_path):
    """Whatever the model answers, the run ends within its bounds, says why, and its record verifies."""
    manifest = tmp_path / "resources.yaml"
    manifest.write_text(MANIFEST.format(name=model, model=model, url=platform.status()["endpoints"]["model"]))
    platform.command("apply", "-f", str(manifest), "--as", "developer")
    run = developer.start(model, {})
    ended = wait_for("the end of the run", lambda: developer.ended(run), RUN_TIMEOUT_S)
    assert ended["state"] == "RUN_STATE_FAILED", ended
    assert ended["reason"]["code"], ended
    assert ended["reason"]["message"]
    assert "verified" in platform.verify(run, tmp_path)
