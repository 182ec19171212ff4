"""The public gRPC API over a real channel: reflection, health, roles, errors with details."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from amas.gateway.v1 import gateway_pb2 as pb
from amas.gateway.v1 import gateway_pb2_grpc as rpc
from amas.orchestrator.v1 import orchestrator_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.grpc_server import public_server
from amas_chassis.rpc_errors import from_rpc_error
from amas_gateway.entrypoints import grpc_api
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from .fakes import DIGEST, PRINCIPALS, make_run
from .world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.runs.runs["run-1"] = make_run("run-1", PRINCIPALS["developer"])
    return world


@pytest.fixture
async def channel(world: World) -> AsyncIterator[grpc.aio.Channel]:
    services = grpc_api.services(world.verbs, world.access, world.clock)
    server = public_server("127.0.0.1:0", services, tls=None)
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel
    await server.drain(1)


def token(name: str, **more: str) -> tuple[tuple[str, str], ...]:
    entries = {"authorization": f"Bearer {name}"} | {key.replace("_", "-"): value for key, value in more.items()}
    return tuple(entries.items())


async def refusal(call: object) -> AmasError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    return from_rpc_error(caught.value)


async def test_reflection_and_health_need_no_token(channel: grpc.aio.Channel) -> None:
    """A tool like grpcurl finds the three services without a token."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    answer = await call.read()
    names = {service.name for service in answer.list_services_response.service}
    assert {f"amas.gateway.v1.{name}Service" for name in ("Runs", "Approvals", "Resources")} <= names
    health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING


async def test_start_watch_and_cancel(world: World, channel: grpc.aio.Channel) -> None:
    """A run is started once for its key, followed in order and cancelled."""
    runs = rpc.RunsServiceStub(channel)
    request = pb.StartRunRequest(orchestration="release-notes", input_json="{}")
    first = await runs.StartRun(request, metadata=token("developer", idempotency_key="k"))
    second = await runs.StartRun(request, metadata=token("developer", idempotency_key="k"))
    assert (first.existed, second.existed, first.run.id == second.run.id) == (False, True, True)
    await world.runs.emit(first.run.id, 3, last=True)
    watch = runs.WatchRun(pb.WatchRunRequest(run_id=first.run.id, after_sequence=1), metadata=token("developer"))
    assert [event.sequence async for event in watch] == [2, 3]
    listed = await runs.ListRuns(pb.ListRunsRequest(page_size=1), metadata=token("developer"))
    assert (len(listed.runs), listed.next_page_token) == (2, "next")
    got = await runs.GetRun(pb.GetRunRequest(run_id="run-1"), metadata=token("approver"))
    assert got.run.requester == "developer"
    cancelled = await runs.CancelRun(pb.CancelRunRequest(run_id="run-1"), metadata=token("developer"))
    assert cancelled.run.id == "run-1"


async def test_refusals_have_their_reason(world: World, channel: grpc.aio.Channel) -> None:
    """No token, a bad one, a missing role, another's run, another tenant's, a bad request: each its own reason."""
    runs = rpc.RunsServiceStub(channel)
    get = pb.GetRunRequest(run_id="run-1")
    error = await refusal(runs.GetRun(get))
    assert (error.kind, error.reason) == (ErrorKind.UNAUTHENTICATED, "TOKEN_MISSING")
    assert (await refusal(runs.GetRun(get, metadata=token("stolen")))).reason == "TOKEN_SIGNATURE"
    assert (await refusal(runs.GetRun(get, metadata=token("auditor")))).reason == "ROLE_MISSING"
    assert (await refusal(runs.GetRun(get, metadata=token("stranger")))).kind is ErrorKind.NOT_FOUND
    cancel = pb.CancelRunRequest(run_id="run-1")
    assert (await refusal(runs.CancelRun(cancel, metadata=token("second-developer")))).reason == "NOT_OWNER"
    watch = runs.WatchRun(pb.WatchRunRequest(run_id="run-1"), metadata=token("second-developer"))
    assert (await refusal(watch.read())).reason == "NOT_OWNER"
    error = await refusal(runs.GetRun(pb.GetRunRequest(), metadata=token("developer")))
    assert (error.reason, error.violations[0].field) == ("REQUEST_INVALID", "run_id")
    reasons = [denial.reason for denial in world.denials.seen]
    assert reasons == ["TOKEN_MISSING", "TOKEN_SIGNATURE", "ROLE_MISSING", "NOT_OWNER", "NOT_OWNER"]


async def test_limits_say_when_to_come_back(world: World, channel: grpc.aio.Channel) -> None:
    """Over the rate: RESOURCE_EXHAUSTED with RetryInfo."""
    world.limiter.allow = False
    error = await refusal(rpc.RunsServiceStub(channel).ListRuns(pb.ListRunsRequest(), metadata=token("developer")))
    assert (error.kind, error.retry_after) == (ErrorKind.RESOURCE_EXHAUSTED, 1.5)


async def test_approvals(world: World, channel: grpc.aio.Channel) -> None:
    """I3: the digest that was shown is part of the answer."""
    approvals = rpc.ApprovalsServiceStub(channel)
    listed = await approvals.ListApprovals(pb.ListApprovalsRequest(), metadata=token("approver"))
    shown = listed.approvals[0]
    got = await approvals.GetApproval(pb.GetApprovalRequest(approval_id=shown.id), metadata=token("approver"))
    assert got.approval.action_digest == DIGEST
    request = pb.DecideApprovalRequest(approval_id=shown.id, approve=True, action_digest=shown.action_digest)
    await approvals.DecideApproval(request, metadata=token("approver"))
    assert world.approvals.verdicts[0][1].approve
    assert (await refusal(approvals.DecideApproval(request, metadata=token("developer")))).reason == "ROLE_MISSING"
    request.action_digest = "sha256:short"
    refused = await refusal(approvals.DecideApproval(request, metadata=token("approver")))
    assert refused.reason == "REQUEST_INVALID"


async def test_an_edit_is_previewed(world: World, channel: grpc.aio.Channel) -> None:
    """The edit and policy's decision come as the orchestrator said them; the approval carries the edited arguments."""
    approvals = rpc.ApprovalsServiceStub(channel)
    preview = pb.PreviewEditRequest(approval_id="approval-1", arguments_json='{"a": 1}')
    seen = await approvals.PreviewEdit(preview, metadata=token("approver"))
    assert (seen.edit.arguments_json, seen.edit.editor) == ('{"a": 1}', "approver")
    request = pb.DecideApprovalRequest(
        approval_id="approval-1", approve=True, action_digest=DIGEST, edited_arguments_json='{"a": 1}'
    )
    await approvals.DecideApproval(request, metadata=token("approver"))
    assert world.approvals.verdicts[0][1].edited_arguments_json == '{"a": 1}'
    assert (await refusal(approvals.PreviewEdit(preview, metadata=token("developer")))).reason == "ROLE_MISSING"


async def test_resources(channel: grpc.aio.Channel) -> None:
    """Applying answers the bundle, or problems with file and line; listing answers both resource and bundle."""
    resources = rpc.ResourcesServiceStub(channel)
    request = pb.ApplyResourcesRequest()
    request.files.add(name="a.yaml", content="good")
    applied = await resources.ApplyResources(request, metadata=token("admin"))
    assert (applied.bundle.digest, len(applied.changes)) == (DIGEST, 1)
    request.files[0].content = "bad"
    refused = await resources.ApplyResources(request, metadata=token("admin"))
    assert (refused.problems[0].file, refused.problems[0].line) == ("a.yaml", 3)
    listed = await resources.ListResources(pb.ListResourcesRequest(), metadata=token("developer"))
    assert (listed.resources[0].name, listed.bundle.digest) == ("writer", DIGEST)


@pytest.mark.parametrize("name", ["ApplyResourcesResponse", "PreviewEditResponse"])
def test_a_response_that_is_read_as_the_orchestrators_is_the_same(name: str) -> None:
    """The two responses agree field by field, since one is read as the other."""
    ours, theirs = (file.DESCRIPTOR.message_types_by_name[name] for file in (pb, orchestrator_pb2))
    described = [
        [(field.number, field.name, field.message_type.full_name) for field in one.fields] for one in (ours, theirs)
    ]
    assert described[0] == described[1]
