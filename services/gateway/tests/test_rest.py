"""The REST API over fakes: what goes through, and what a mistake looks like."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from amas.common.v1 import run_pb2
from amas_gateway.domain.model import TERMINAL_RUN_STATES

from .fakes import DIGEST, PRINCIPALS, make_run
from .rest_calls import bearer, check_problem
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


async def test_an_edit_is_previewed_and_approved_as_text(world: World, client: httpx.AsyncClient) -> None:
    """Arguments go through byte for byte, so that what was previewed is approved; a developer may do neither."""
    text, headers = '{"amount": 1.10}', bearer("approver")
    path = "/v1/approvals/approval-1"
    seen = (await client.post(f"{path}:previewEdit", json={"argumentsJson": text}, headers=headers)).json()
    assert (seen["edit"]["argumentsJson"], seen["decision"]["effect"]) == (text, "EFFECT_ESCALATE")
    body = {"actionDigest": DIGEST, "renderingDigest": DIGEST, "editedArgumentsJson": text}
    assert (await client.post(f"{path}:approve", json=body, headers=headers)).status_code == 200
    _, verdict = world.approvals.verdicts[0]
    assert (verdict.edited_arguments_json, verdict.rendering_digest) == (text, DIGEST)
    for verb, sent in (("previewEdit", {"argumentsJson": text}), ("approve", body)):
        refused = await client.post(f"{path}:{verb}", json=sent, headers=bearer("developer"))
        check_problem(refused, 403, "ROLE_MISSING")
    check_problem(await client.post(f"{path}:reject", json=body, headers=headers), 422, "REQUEST_INVALID")


async def test_groups_of_an_approver_come_from_the_token_alone(world: World, client: httpx.AsyncClient) -> None:
    """I3: an answer that brings groups, roles or a name of its own along is refused, and nothing is decided."""
    path, headers = "/v1/approvals/approval-1:approve", bearer("approver")
    for claim in ({"groups": ["release-managers"]}, {"approver": "release-manager"}, {"principal": {"groups": ["x"]}}):
        response = await client.post(path, json={"actionDigest": DIGEST, **claim}, headers=headers)
        check_problem(response, 422, "REQUEST_INVALID")
    assert world.approvals.verdicts == []


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
    assert world.bundles.forgotten == []
    assert (await client.post("/v1/resources:apply", json=body | {"dryRun": False}, headers=bearer("admin"))).is_success
    assert world.bundles.forgotten == ["acme"], "what was applied does not hold for the next call"
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
        ("GET", f"/v1/audit/bundles/sha256:{'b' * 64}", 404, "NOT_FOUND"),
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
