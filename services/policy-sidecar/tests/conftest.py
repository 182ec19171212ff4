"""What is the same for all tests of the policy-sidecar."""

from __future__ import annotations

import pytest
from amas_policy_sidecar.adapters import (
    audit_client,
    mcp_http,
    mcp_requests,
    mcp_session,
    redis_quota,
    redis_revocations,
)

from .processes import PATIENCE


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is no neighbour that is away: who holds a time-out to account shortens it again."""
    for module, name in (
        (audit_client, "TIMEOUT"),
        (mcp_http, "CONNECT_TIMEOUT"),
        (mcp_requests, "LIST_TIMEOUT"),
        (mcp_session, "START_TIMEOUT"),
        (redis_quota, "TIMEOUT"),
        (redis_revocations, "TIMEOUT"),
    ):
        monkeypatch.setattr(module, name, PATIENCE)
