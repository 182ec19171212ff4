"""A malformed resource or a bad token gets a precise error and changes nothing."""

from __future__ import annotations

import base64
import json

import pytest

from ..gateway_client import GatewayClient, ProblemError
from ..local_platform import LocalPlatform

pytestmark = pytest.mark.e2e

BAD = """apiVersion: amas.dev/v1alpha1
kind: AgentRole
metadata: {name: good-one}
spec:
  version: 1.0.0
  purpose: Fine.
  model: {route: default}
  instructions: Fine.
  input: {schema: {type: object}}
  output: {schema: {type: object}}
  data: {clearance: internal}
---
apiVersion: amas.dev/v1alpha1
kind: AgentRole
metadata: {name: bad-one}
spec:
  version: 1.0.0
  purpose: Not fine.
  model: {route: default}
  instructions: Not fine.
  input: {schema: {type: object}}
  output: {schema: {type: object}}
  tools:
    - name: git/git_log
      colour: blue
  data: {clearance: internal}
"""


def test_a_malformed_resource_names_file_line_and_field_and_nothing_is_applied(platform: LocalPlatform, tmp_path):
    """One bad document keeps the good one beside it out too."""
    manifest = tmp_path / "roles.yaml"
    manifest.write_text(BAD)
    done = platform.attempt("apply", "-f", str(manifest), "--as", "developer")
    words = done.stdout + done.stderr
    assert done.returncode == 2, words
    assert "roles.yaml:25" in words, words
    assert "colour" in words
    assert "Traceback" not in words
    roles = platform.json("get", "roles")
    assert "good-one" not in json.dumps(roles)


def segment(value: object) -> str:
    """One base64url part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("kind", ["none", "tampered", "garbage", "empty", "unknown-key"])
def test_a_bad_token_is_401_with_a_reason(platform: LocalPlatform, developer, kind):
    """No bad token gets further than the door, and each says why."""
    header, payload, signature = developer.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    tokens = {
        "none": f"{segment({'alg': 'none', 'typ': 'at+jwt'})}.{payload}.",
        "tampered": f"{header}.{segment({**claims, 'tenant': 'globex'})}.{signature}",
        "garbage": "nonsense",
        "empty": "",
        "unknown-key": f"{segment({'alg': 'EdDSA', 'typ': 'at+jwt', 'kid': 'nobody'})}.{payload}.{signature}",
    }
    with pytest.raises(ProblemError) as refused:
        GatewayClient(developer.api, tokens[kind]).call("GET", "/runs")
    assert refused.value.status == 401
    assert refused.value.reason.startswith("TOKEN_")


def test_an_auditor_starts_nothing_and_an_approver_reads_no_audit(auditor, release_manager):
    """Least privilege: each role does its own job."""
    with pytest.raises(ProblemError) as refused:
        auditor.start("release-notes", {"repository": "repository"})
    assert refused.value.status == 403
    with pytest.raises(ProblemError) as unread:
        release_manager.call("GET", "/audit/runs/run-x/export")
    assert unread.value.status == 403
