"""The REST API over fakes: who gets what, and what a mistake looks like."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from amas.common.v1 import run_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain.authorization import ALLOWED, Action
from amas_gateway.domain.model import TERMINAL_RUN_STATES

from .fakes import DIGEST, PRINCIPALS, make_run
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
    ("POST", "/v1/approvals/approval-1:reject"): (Action.APPROVAL_DECIDE, {"actionDigest": DIGEST}),
    ("POST", "/v1/resources:apply"): (Action.RESOURCE_APPLY, {"files": [{"name": "a", "content": "b"}]}),
    ("GET", "/v1/resources"): (Action.RESOURCE_READ, None),
    ("GET", "/v1/resources/AgentRole"): (Action.RESOURCE_READ, None),
    ("GET", "/v1/resources/AgentRole/writer"): (Action.RESOURCE_READ, None),
    ("GET", "/v1/tool-servers/git"): (Action.RESOURCE_READ, None),
    ("GET", "/v1/usage"): (Action.USAGE_READ, None),
    ("GET", "/v1/audit/events"): (Action.AUDIT_READ, None),
    ("GET", "/v1/audit/checkpoint"): (Action.AUDIT_READ, None),
    ("GET", "/v1/audit/runs/run-1/export"): (Action.AUDIT_READ, None),
    ("GET", "/v1/models"): (Action.MODEL_CALL, None),
    ("POST", "/v1/chat/completions"): (Action.MODEL_CALL, {"model": "default", "messages": []}),
    ("POST", "/v1/embeddings"): (Action.MODEL_CALL, {"model": "default", "input": "x"}),
}
ROLES = {"developer": "developer", "approver": "approver", "admin": "platform-admin", "auditor": "auditor"}


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


async def test_every_route_is_in_the_table(world: World, client: httpx.AsyncClient) -> None:
    """No route is forgotten above: a new one without a line there fails this test."""
    document = (await client.get("/openapi.json")).json()
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    named = {"{run_id}": "run-1", "{approval_id}": "approval-1", "{kind}": "AgentRole", "{name}": "writer"}
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


async def test_start_is_idempotent_by_key(client: httpx.AsyncClient) -> None:
    """The same Idempotency-Key answers the same run: 201 first, 200 after."""
    body = {"orchestration": "release-notes", "input": {"since": "v1"}}
    headers = bearer("developer") | {"Idempotency-Key": "k1"}
    first = await client.post("/v1/runs", json=body, headers=headers)
    second = await client.post("/v1/runs", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert first.headers["location"] == f"/v1/runs/{first.json()['id']}"
    assert first.json()["state"] == "RUN_STATE_RUNNING"


async def test_input_text_goes_through_untouched(world: World, client: httpx.AsyncClient) -> None:
    """`inputJson` reaches the orchestrator byte for byte, `input` as the same JSON value."""
    text = '{"a": 1.10, "b": 12345678901234567890}'
    body = {"orchestration": "o", "inputJson": text}
    run = (await client.post("/v1/runs", json=body, headers=bearer("developer"))).json()
    assert world.runs.inputs[run["id"]] == text
    body = {"orchestration": "o", "input": {"é": [1, None]}}
    run = (await client.post("/v1/runs", json=body, headers=bearer("developer"))).json()
    assert json.loads(world.runs.inputs[run["id"]]) == {"é": [1, None]}


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


async def test_approval_needs_the_digest_that_was_shown(world: World, client: httpx.AsyncClient) -> None:
    """I3: an answer without the action's digest is refused; with it, digest and reason reach the orchestrator."""
    path, headers = "/v1/approvals/approval-1:approve", bearer("approver")
    check_problem(await client.post(path, json={}, headers=headers), 422, "REQUEST_INVALID")
    check_problem(await client.post(path, json={"actionDigest": "sha256:x"}, headers=headers), 422, "REQUEST_INVALID")
    assert world.approvals.verdicts == []
    body = {"actionDigest": DIGEST, "reason": "reads well"}
    assert (await client.post(path, json=body, headers=headers)).status_code == 200
    who, verdict = world.approvals.verdicts[0]
    assert (who, verdict.approve, verdict.action_digest, verdict.reason) == ("approver", True, DIGEST, "reads well")


async def test_refusal_by_a_service_is_on_record(world: World, client: httpx.AsyncClient) -> None:
    """What the orchestrator refuses to a principal (four eyes, groups) is a denied access too."""
    world.approvals.refuse = AmasError(ErrorKind.PERMISSION_DENIED, "FOUR_EYES", "the requester may not approve")
    body = {"actionDigest": DIGEST}
    response = await client.post("/v1/approvals/approval-1:approve", json=body, headers=bearer("approver"))
    check_problem(response, 403, "FOUR_EYES")
    assert [(denial.reason, denial.action) for denial in world.denials.seen] == [("FOUR_EYES", "approval.decide")]


async def test_bad_resources_name_file_line_and_field(world: World, client: httpx.AsyncClient) -> None:
    """I11: a malformed resource is 422 with file, line, column and field."""
    body = {"files": [{"name": "roles.yaml", "content": "bad"}]}
    response = await client.post("/v1/resources:apply", json=body, headers=bearer("admin"))
    problem = check_problem(response, 422, "RESOURCES_INVALID")
    assert problem["problems"] == [
        {"file": "roles.yaml", "line": 3, "column": 5, "field": "spec.tools", "message": "no such tool"}
    ]


async def test_apply_and_delete_go_through(world: World, client: httpx.AsyncClient) -> None:
    """Files, deletions and the dry run reach the orchestrator as they were sent."""
    body = {
        "files": [{"name": "a.yaml", "content": "x"}],
        "delete": [{"kind": "AgentRole", "name": "old"}],
        "dryRun": True,
    }
    response = await client.post("/v1/resources:apply", json=body, headers=bearer("admin"))
    assert response.json()["bundle"]["digest"] == DIGEST
    who, files, delete, dry_run = world.resources.applied[0]
    assert (who, files[0].name, delete[0].name, dry_run) == ("admin", "a.yaml", "old", True)
    nothing = await client.post("/v1/resources:apply", json={}, headers=bearer("admin"))
    check_problem(nothing, 400, "REQUEST_INVALID")


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"{", 422, "REQUEST_INVALID"),
        (b'{"orchestration": "o", "input": {"a": NaN}}', 422, "REQUEST_INVALID"),
        (b'{"orchestration": "\\ud800", "input": {}}', 422, "REQUEST_INVALID"),
        (b"[" * 5000, 422, "REQUEST_INVALID"),
        (b'{"orchestration": "o"}', 400, "REQUEST_INVALID"),
        (b'{"orchestration": "o", "input": {}, "inputJson": "{}"}', 400, "REQUEST_INVALID"),
        (b'{"orchestration": "o", "input": {}, "sudo": true}', 422, "REQUEST_INVALID"),
        (b'{"orchestration": "", "input": {}}', 422, "REQUEST_INVALID"),
        (b"x" * (MAX_BODY_BYTES + 1), 413, "BODY_TOO_LARGE"),
    ],
)
async def test_bad_bodies_start_nothing(
    world: World, client: httpx.AsyncClient, content: bytes, status: int, reason: str
) -> None:
    """I11: a bad body gets a precise problem and changes nothing."""
    headers = bearer("developer") | {"Content-Type": "application/json"}
    check_problem(await client.post("/v1/runs", content=content, headers=headers), status, reason)
    assert list(world.runs.runs) == ["run-1"]


async def test_body_without_a_length_is_bounded_too(client: httpx.AsyncClient) -> None:
    """A chunked body is cut off at the same size: a missing Content-Length is no way round."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 4096

    headers = bearer("developer") | {"Content-Type": "application/json"}
    check_problem(await client.post("/v1/runs", content=endless(), headers=headers), 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/nothing", 404, "NOT_FOUND"),
        ("GET", "/v1/runs/", 404, "NOT_FOUND"),
        ("GET", "/v1/runs/run-9", 404, "NOT_FOUND"),
        ("GET", "/v1/resources/AgentRole/none", 404, "NOT_FOUND"),
        ("GET", "/v1/audit/runs/run-9/export", 404, "NOT_FOUND"),
        ("DELETE", "/v1/runs", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/runs?state=odd", 400, "REQUEST_INVALID"),
        ("GET", "/v1/runs?pageSize=1001", 422, "REQUEST_INVALID"),
        ("GET", "/v1/runs/..%2f..%2fetc", 404, "NOT_FOUND"),
    ],
)
async def test_mistakes_are_problems(
    client: httpx.AsyncClient, method: str, path: str, status: int, reason: str
) -> None:
    """Every error, also those of routing, is a problem document with a stable reason."""
    headers = bearer("admin")
    check_problem(await client.request(method, path, headers=headers), status, reason)


async def test_media_type_is_checked(client: httpx.AsyncClient) -> None:
    """A body of another type is 415, so that a browser's form can never start a run."""
    headers = bearer("developer") | {"Content-Type": "text/plain"}
    response = await client.post("/v1/runs", content=b"{}", headers=headers)
    check_problem(response, 415, "MEDIA_TYPE")


async def test_unexpected_failure_tells_nothing(
    world: World, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours is a 500 without a word of what happened; the log has it."""

    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    world.runs.get = broken  # type: ignore[method-assign, assignment]
    response = await client.get("/v1/runs/run-1", headers=bearer("developer"))
    check_problem(response, 500, "INTERNAL")
    assert "secret detail" not in response.text
    assert "secret detail" in caplog.text


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
    assert world.audit.reads == [("auditor", "query", {"run_id": "run-1"})]
    export = await client.get("/v1/audit/runs/run-1/export", headers=bearer("auditor"))
    assert export.content == b"firstsecond"
    assert world.audit.reads[1] == ("auditor", "export", {"run_id": "run-1"})
    world.audit.down = True
    check_problem(await client.get("/v1/audit/events", headers=bearer("auditor")), 503, "UPSTREAM_UNAVAILABLE")
    check_problem(
        await client.get("/v1/audit/runs/run-1/export", headers=bearer("auditor")), 503, "UPSTREAM_UNAVAILABLE"
    )


async def test_trace_and_request_ids(client: httpx.AsyncClient) -> None:
    """The caller's trace goes on and its request id comes back; a bad id is replaced, not echoed."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = bearer("developer") | {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Request-Id": "abc-1"}
    response = await client.get("/v1/runs/none", headers=headers)
    assert response.json()["traceId"] == trace
    assert response.headers["x-request-id"] == "abc-1"
    headers["X-Request-Id"] = "a b\tc"
    replaced = (await client.get("/v1/runs/none", headers=headers)).headers["x-request-id"]
    assert len(replaced) == 32


async def test_docs_need_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    """The documentation is one page of ours: no script, no link to another host, and a policy that says so."""
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "/v1/runs/{run_id}/events" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_openapi_describes_what_is_answered(client: httpx.AsyncClient) -> None:
    """Every reference in the document leads somewhere, and a run's fields are those of the contract."""
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in schemas
    run = (await client.get("/v1/runs/run-1", headers=bearer("developer"))).json()
    assert set(run) <= set(schemas["common_v1_Run"]["properties"])


async def test_probes_are_open_and_tell_of_a_drain(world: World, client: httpx.AsyncClient) -> None:
    """/healthz and /readyz need no token; a draining gateway is alive but not ready."""
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200
    world.draining.set()
    assert (await client.get("/healthz")).status_code == 200
    draining = await client.get("/readyz")
    assert draining.status_code == 503
    assert draining.headers["connection"] == "close"


def test_terminal_states_are_those_of_the_contract() -> None:
    """The gateway's idea of a run that is over is the contract's."""
    over = {"SUCCEEDED", "FAILED", "REJECTED", "CANCELLED"}
    named = {run_pb2.RunState.Value(f"RUN_STATE_{name}") for name in over}
    assert named == TERMINAL_RUN_STATES
