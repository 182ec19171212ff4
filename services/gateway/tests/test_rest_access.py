"""The REST API over fakes: who may do what, on every route."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from amas.common.v1 import run_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain.authorization import ALLOWED

from .fakes import DIGEST, PRINCIPALS, make_run
from .rest_calls import CALLS, ROLES, bearer, check_problem
from .world import MAX_BODY_BYTES, World


@pytest.fixture
def world() -> World:
    world = World()
    world.runs.runs["run-1"] = make_run("run-1", PRINCIPALS["developer"])
    return world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(world.http())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("call", CALLS, ids=" ".join)
async def test_roles_decide_every_route(
    world: World, client: httpx.AsyncClient, call: tuple[str, str], who: str
) -> None:
    """The table of roles holds on every route: an allowed role gets through, any other gets 403 and is on record."""
    world.runs.runs["run-1"].state = run_pb2.RUN_STATE_SUCCEEDED
    action, body = CALLS[call]
    response = await client.request(*call, json=body, headers=bearer(who))
    if ROLES[who] in ALLOWED[action]:
        assert response.status_code < 300, response.text
        assert world.denials.seen == []
    else:
        assert response.status_code == 403
        assert [(d.reason, d.action, d.tenant, d.principal) for d in world.denials.seen] == [
            ("ROLE_MISSING", action, "acme", who)
        ]


async def test_a_role_that_is_missing_is_told_without_the_orchestrator(world: World, client: httpx.AsyncClient) -> None:
    """Who may do nothing here neither waits for one that is away, in a place of others, nor wakes it."""
    world.revoked.unknown = True
    response = await client.post("/v1/resources:apply", json={"files": []}, headers=bearer("auditor"))
    check_problem(response, 403, "ROLE_MISSING")


async def test_every_route_is_in_the_table(world: World, client: httpx.AsyncClient) -> None:
    """No route is forgotten above: a new one without a line there fails this test."""
    document = (await client.get("/openapi.json")).json()
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    named = {"{run_id}": "run-1", "{approval_id}": "approval-1", "{kind}": "AgentRole", "{name}": "writer"}
    named["{digest}"] = DIGEST
    filled = set()
    for method, path in described:
        for parameter, value in named.items():
            path = path.replace(parameter, value)  # noqa: PLW2901 - each parameter in turn
        filled.add((method, path.replace("/v1/tool-servers/writer", "/v1/tool-servers/git")))
    openai = {call for call in CALLS if call[1] in ("/v1/models", "/v1/chat/completions", "/v1/embeddings")}
    assert filled == set(CALLS) - openai


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
async def test_nothing_without_a_token(world: World, client: httpx.AsyncClient, call: tuple[str, str]) -> None:
    """Every route refuses a request without a good token, before it reads the body."""
    _, body = CALLS[call]
    missing = await client.request(*call, json=body)
    assert missing.status_code == 401
    assert missing.headers["www-authenticate"] == 'Bearer realm="amas"'
    bad = await client.request(*call, content=b"x" * (MAX_BODY_BYTES + 1), headers=bearer("stolen-token"))
    assert bad.status_code == 401
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    assert "TOKEN_SIGNATURE" in bad.headers["www-authenticate"]
    assert "stolen-token" not in bad.text + str(bad.headers)
    assert [denial.reason for denial in world.denials.seen] == ["TOKEN_MISSING", "TOKEN_SIGNATURE"]


async def test_other_tenants_run_is_not_there(world: World, client: httpx.AsyncClient) -> None:
    """I8: whatever the orchestrator answers, another tenant's run looks like none."""
    for path in ("/v1/runs/run-1", "/v1/runs/run-1/events"):
        check_problem(await client.get(path, headers=bearer("stranger")), 404, "NOT_FOUND")
    response = await client.post("/v1/runs/run-1:cancel", headers=bearer("stranger"))
    check_problem(response, 404, "NOT_FOUND")
    assert world.runs.runs["run-1"].state == run_pb2.RUN_STATE_RUNNING
    assert (await client.get("/v1/runs", headers=bearer("stranger"))).json()["runs"] == []


async def test_developers_touch_their_own_runs_alone(world: World, client: httpx.AsyncClient) -> None:
    """A developer cancels and watches its own runs; another's is refused, and the refusal is on record."""
    other = bearer("second-developer")
    check_problem(await client.post("/v1/runs/run-1:cancel", headers=other), 403, "NOT_OWNER")
    check_problem(await client.get("/v1/runs/run-1/events", headers=other), 403, "NOT_OWNER")
    assert [denial.reason for denial in world.denials.seen] == ["NOT_OWNER", "NOT_OWNER"]
    assert (await client.get("/v1/runs/run-1", headers=other)).status_code == 200
    assert (await client.post("/v1/runs/run-1:cancel", headers=bearer("developer"))).status_code == 200


async def test_refusal_by_a_service_is_on_record(world: World, client: httpx.AsyncClient) -> None:
    """What the orchestrator refuses to a principal (four eyes, groups) is a denied access too."""
    world.approvals.refuse = AmasError(ErrorKind.PERMISSION_DENIED, "FOUR_EYES", "the requester may not approve")
    body = {"actionDigest": DIGEST}
    response = await client.post("/v1/approvals/approval-1:approve", json=body, headers=bearer("approver"))
    check_problem(response, 403, "FOUR_EYES")
    assert [(denial.reason, denial.action) for denial in world.denials.seen] == [("FOUR_EYES", "approval.decide")]


async def test_limits_answer_429_with_headers(world: World, client: httpx.AsyncClient) -> None:
    """Over the rate: 429 with Retry-After; and every answer says what is left."""
    fine = await client.get("/v1/runs", headers=bearer("developer"))
    assert fine.headers["ratelimit-policy"] == '"tenant";q=100;w=1, "principal";q=10;w=1'
    assert fine.headers["ratelimit"] == '"principal";r=10;t=0'
    world.limiter.allow = False
    refused = await client.get("/v1/runs", headers=bearer("developer"))
    check_problem(refused, 429, "RATE_LIMITED")
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["ratelimit"].startswith('"tenant";r=0')


async def test_limits_are_kept_apart(world: World, client: httpx.AsyncClient) -> None:
    """I8: tenants, principals and route classes have allowances of their own."""
    for who in ("developer", "second-developer", "stranger"):
        await client.get("/v1/runs", headers=bearer(who))
    await client.post("/v1/runs", json={"orchestration": "o", "input": {}}, headers=bearer("developer"))
    keys = [[allowance.key for allowance in taken] for taken in world.limiter.taken]
    assert keys[0][0] == keys[1][0] == "{acme}:read"
    assert keys[2][0] == "{globex}:read"
    assert keys[3][0] == "{acme}:write"
    assert len({taken[1] for taken in keys}) == 4


async def test_reading_the_audit_log_is_recorded_first(world: World, client: httpx.AsyncClient) -> None:
    """Who reads what is in the log before it is answered; without the record nothing is read."""
    response = await client.get("/v1/audit/events?runId=run-1", headers=bearer("auditor"))
    assert response.json()["entries"][0]["event"]["tenant"] == "acme"
    assert world.audit.reads == [("auditor", "query", {"run_id": "run-1"}, 1)]
    export = await client.get("/v1/audit/runs/run-1/export", headers=bearer("auditor"))
    assert export.content == b"firstsecond"
    assert world.audit.reads[1] == ("auditor", "export", {"run_id": "run-1"}, None)
    assert (await client.get("/v1/audit/checkpoint", headers=bearer("auditor"))).status_code == 200
    assert world.audit.reads[2:] == [("auditor", "checkpoint", {}, None)]
    bundle = await client.get(f"/v1/audit/bundles/{DIGEST}", headers=bearer("auditor"))
    assert bundle.content == b'{"format":"amas.dev/bundle/v1"}'
    assert world.audit.reads[3] == ("auditor", "bundle", {"digest": DIGEST}, None)
    world.audit.down = True
    check_problem(await client.get("/v1/audit/checkpoint", headers=bearer("auditor")), 503, "UPSTREAM_UNAVAILABLE")
    check_problem(await client.get("/v1/audit/events:stream", headers=bearer("auditor")), 503, "UPSTREAM_UNAVAILABLE")
    check_problem(await client.get("/v1/audit/events", headers=bearer("auditor")), 503, "UPSTREAM_UNAVAILABLE")
    check_problem(
        await client.get("/v1/audit/runs/run-1/export", headers=bearer("auditor")), 503, "UPSTREAM_UNAVAILABLE"
    )


@pytest.mark.parametrize(
    ("kind", "status"), [(ErrorKind.PERMISSION_DENIED, 403), (ErrorKind.UNAVAILABLE, 503)], ids=["no", "silence"]
)
async def test_policy_is_asked_before_the_audit_log_is_read(
    world: World, client: httpx.AsyncClient, kind: ErrorKind, status: int
) -> None:
    """The tenant's policy decides, of one run or of all; its no and its silence leave nothing read, nor noted."""
    paths = {
        "/v1/audit/events?runId=run-1": "run-1",
        "/v1/audit/events": "",
        "/v1/audit/events:stream": "",
        "/v1/audit/runs/run-1/export": "run-1",
        f"/v1/audit/bundles/{DIGEST}": "",
    }
    world.audit.refusal = AmasError(kind, "ADMIN_ROLE_MISSING", "policy says no")
    for path in paths:
        check_problem(await client.get(path, headers=bearer("auditor")), status, "ADMIN_ROLE_MISSING")
    assert world.audit.asked == [("auditor", run) for run in paths.values()]
    assert world.audit.reads == []
    # Who may not even ask does not reach policy, and the head of the log tells nothing that policy would guard.
    check_problem(await client.get("/v1/audit/events", headers=bearer("developer")), 403, "ROLE_MISSING")
    assert (await client.get("/v1/audit/checkpoint", headers=bearer("auditor"))).status_code == 200
    assert len(world.audit.asked) == len(paths)
