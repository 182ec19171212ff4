"""Every call of the HTTP API with the action that it needs, and what a problem document looks like."""

from __future__ import annotations

import httpx
from amas_gateway.domain.authorization import Action

from .fakes import DIGEST


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


def check_problem(response: httpx.Response, status: int, reason: str) -> dict[str, object]:
    """The response is a whole problem document (RFC 9457)."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["reason"] == reason
    assert {"type", "title", "detail", "instance", "traceId", "violations"} <= set(problem)
    return dict(problem)


CALLS: dict[tuple[str, str], tuple[Action, object]] = {
    ("POST", "/v1/runs"): (Action.RUN_START, {"orchestration": "release-notes", "input": {}}),
    ("GET", "/v1/runs"): (Action.RUN_READ, None),
    ("GET", "/v1/runs/run-1"): (Action.RUN_READ, None),
    ("GET", "/v1/runs/run-1/events"): (Action.RUN_WATCH, None),
    ("POST", "/v1/runs/run-1:cancel"): (Action.RUN_CANCEL, {"reason": "enough"}),
    ("GET", "/v1/approvals"): (Action.APPROVAL_READ, None),
    ("GET", "/v1/approvals/approval-1"): (Action.APPROVAL_READ, None),
    ("POST", "/v1/approvals/approval-1:approve"): (Action.APPROVAL_DECIDE, {"actionDigest": DIGEST}),
    ("POST", "/v1/approvals/approval-1:previewEdit"): (Action.APPROVAL_DECIDE, {"argumentsJson": "{}"}),
    ("POST", "/v1/approvals/approval-1:reject"): (Action.APPROVAL_DECIDE, {"actionDigest": DIGEST}),
    ("POST", "/v1/resources:apply"): (Action.RESOURCE_APPLY, {"files": [{"name": "a", "content": "b"}]}),
    ("GET", "/v1/resources"): (Action.RESOURCE_READ, None),
    ("GET", "/v1/resources/AgentRole"): (Action.RESOURCE_READ, None),
    ("GET", "/v1/resources/AgentRole/writer"): (Action.RESOURCE_READ, None),
    ("GET", "/v1/tool-servers/git"): (Action.RESOURCE_READ, None),
    ("POST", "/v1/revocations"): (Action.REVOCATION_CHANGE, {"kind": "role", "name": "writer"}),
    ("POST", "/v1/revocations:restore"): (Action.REVOCATION_CHANGE, {"kind": "tool", "name": "git/git_commit"}),
    ("GET", "/v1/revocations"): (Action.REVOCATION_READ, None),
    ("GET", "/v1/usage"): (Action.USAGE_READ, None),
    ("GET", "/v1/budgets"): (Action.USAGE_READ, None),
    ("GET", "/v1/audit/events"): (Action.AUDIT_READ, None),
    ("GET", "/v1/audit/events:stream"): (Action.AUDIT_READ, None),
    ("GET", "/v1/audit/checkpoint"): (Action.AUDIT_READ, None),
    ("GET", "/v1/audit/runs/run-1/export"): (Action.AUDIT_READ, None),
    ("POST", "/v1/audit/subjects:search"): (Action.AUDIT_READ, {"subject": "alice"}),
    ("POST", "/v1/audit/erasures"): (Action.AUDIT_ERASE, {"subject": "alice"}),
    ("GET", f"/v1/audit/bundles/{DIGEST}"): (Action.AUDIT_READ, None),
    ("GET", "/v1/models"): (Action.MODEL_CALL, None),
    ("POST", "/v1/chat/completions"): (Action.MODEL_CALL, {"model": "default", "messages": []}),
    ("POST", "/v1/embeddings"): (Action.MODEL_CALL, {"model": "default", "input": "x"}),
}
ROLES = {"developer": "developer", "approver": "approver", "admin": "platform-admin", "auditor": "auditor"}
