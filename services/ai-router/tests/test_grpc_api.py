"""RouterService over a real gRPC connection, with fakes behind: shapes, errors, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import orjson
import pytest
import pytest_asyncio
from amas.common.v1 import identity_pb2, label_pb2
from amas.router.v1 import router_pb2 as pb
from amas.router.v1 import router_pb2_grpc
from amas_ai_router.bootstrap import CALLERS
from amas_ai_router.entrypoints.grpc_api import SERVICE, RouterApi
from amas_chassis.grpc_server import GrpcService, public_server
from amas_chassis.rpc_errors import from_rpc_error

from .fakes import ANY_DATA, BODY, USAGE_CHUNK, FakeStream, Router, answer, chunk, lost, make_bundle


@pytest_asyncio.fixture
async def stub(router: Router) -> AsyncIterator[Any]:
    """A plain client, as any gRPC library would be; retries as the chassis configures them are not on."""
    service = GrpcService(SERVICE, router_pb2_grpc.add_RouterServiceServicer_to_server, RouterApi(router.do))
    server = public_server("127.0.0.1:0", [service], tls=None)
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield router_pb2_grpc.RouterServiceStub(channel)
    await server.drain(1.0)


def context_of(router: Router, **more: Any) -> pb.CallContext:
    principal = identity_pb2.Principal(
        subject="developer", issuer="https://issuer.test", tenant="acme", roles=["developer"]
    )
    return pb.CallContext(principal=principal, bundle=router.bundle.digest, **more)


async def test_complete_answers_body_and_report(router: Router, stub: Any) -> None:
    """Every field of the report is filled; money is a decimal string."""
    router.providers.will("p0/m", lost())
    request = pb.CompleteRequest(context=context_of(router), route="default", body=BODY)
    response = await stub.Complete(request)
    report = response.report
    assert response.body == answer().body
    assert (report.provider, report.model, report.attempts, report.replayed) == ("p1", "m", 2, False)
    assert (report.usage.cost.amount, report.usage.cost.currency) == ("0.00002", "USD")
    assert list(report.failovers) == ["p0/m: CONNECTION_LOST"]
    assert report.call_id


async def test_the_label_reaches_policy(router: Router, stub: Any) -> None:
    """What a caller says about its data is what policy decides on; nothing said is the lowest."""
    cleared = make_bundle(clearance=ANY_DATA)
    await router.do.load_bundle.run(cleared.digest, cleared.content)
    label = label_pb2.Label(
        confidentiality=label_pb2.CONFIDENTIALITY_RESTRICTED,
        categories=["pii"],
        integrity=label_pb2.INTEGRITY_UNTRUSTED,
    )
    for given in (label, label_pb2.Label()):
        context = context_of(router, label=given, role="writer")
        context.bundle = cleared.digest
        await stub.Complete(pb.CompleteRequest(context=context, route="default", body=BODY))
    assert [asked.label.to_dict() for asked in router.policy.asked] == [
        {"confidentiality": "restricted", "categories": ["pii"], "integrity": "untrusted"},
        {"confidentiality": "public", "categories": [], "integrity": "trusted"},
    ]


@pytest.mark.parametrize("label", [{"confidentiality": 99}, {"categories": ["pi"]}], ids=["level", "category"])
async def test_a_label_that_does_not_exist_is_refused(router: Router, stub: Any, label: dict[str, Any]) -> None:
    """An unknown label is never taken for a low one."""
    context = context_of(router, label=label_pb2.Label(**label))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Complete(pb.CompleteRequest(context=context, route="default", body=BODY))
    assert from_rpc_error(caught.value).reason == "LABEL_INVALID"
    assert router.asked == []


async def test_a_failure_after_a_provider_was_asked_forbids_blind_retries(router: Router, stub: Any) -> None:
    """The client's library is told not to repeat what may be billed again; a failure before it says nothing."""
    request = pb.CompleteRequest(context=context_of(router), route="default", body=BODY)
    for target in ("p0/m", "p1/m"):
        router.providers.will(target, lost())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Complete(request)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    trailers = dict(caught.value.trailing_metadata() or ())
    assert trailers["grpc-retry-pushback-ms"] == "-1"
    error = from_rpc_error(caught.value)
    assert (error.reason, error.metadata["attempts"]) == (
        "MODEL_UNAVAILABLE",
        "p0/m: CONNECTION_LOST; p1/m: CONNECTION_LOST",
    )
    router.policy.away = True
    request.context.role = "another"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Complete(request)
    assert "grpc-retry-pushback-ms" not in dict(caught.value.trailing_metadata() or ())


async def test_a_stream_ends_with_its_report(router: Router, stub: Any) -> None:
    """Chunks, then exactly one report."""
    router.providers.will("p0/m", FakeStream([chunk("a"), chunk("b", finish="stop"), USAGE_CHUNK]))
    request = pb.StreamCompleteRequest(context=context_of(router), route="default", body=BODY)
    parts = [part async for part in stub.StreamComplete(request)]
    assert [part.WhichOneof("part") for part in parts] == ["chunk", "chunk", "report"]
    assert parts[-1].report.usage.input_tokens == 10


async def test_a_broken_stream_ends_with_what_was_billed(router: Router, stub: Any) -> None:
    """A typed message and a good status: the client has part of an answer, and knows it."""
    router.providers.will("p0/m", FakeStream([chunk("a"), lost()]))
    request = pb.StreamCompleteRequest(context=context_of(router), route="default", body=BODY)
    parts = [part async for part in stub.StreamComplete(request)]
    assert [part.WhichOneof("part") for part in parts] == ["chunk", "broken"]
    assert parts[-1].broken.reason == "CONNECTION_LOST"
    assert parts[-1].broken.report.usage.estimated


async def test_a_cancelled_stream_closes_the_providers(router: Router, stub: Any) -> None:
    """A client that hangs up ends the provider's work, and is billed for what it got."""
    waiting = asyncio.Event()

    async def hang() -> None:
        waiting.set()
        await asyncio.Event().wait()

    stream = FakeStream([chunk("a"), hang])
    router.providers.will("p0/m", stream)
    call = stub.StreamComplete(pb.StreamCompleteRequest(context=context_of(router), route="default", body=BODY))
    assert (await call.read()).chunk == chunk("a")
    await waiting.wait()
    call.cancel()
    await asyncio.wait_for(stream.ended.wait(), 60)
    await router.drain()
    assert [record.outcome for record in router.ledger.calls] == ["cancelled"]


async def test_models_and_usage_are_told(router: Router, stub: Any) -> None:
    """The list names routes; usage adds up."""
    models = (await stub.ListModels(pb.ListModelsRequest(context=context_of(router)))).models
    assert [(model.id, list(model.targets)) for model in models] == [("default", ["p0/m", "p1/m"])]
    await stub.Complete(pb.CompleteRequest(context=context_of(router, run_id="r"), route="default", body=BODY))
    (row,) = (await stub.QueryUsage(pb.QueryUsageRequest(tenant="acme"))).rows
    assert (row.run_id, row.route, row.calls, row.usage.cost.amount) == ("r", "default", 1, "0.00002")


async def test_embeddings_are_answered(router: Router, stub: Any) -> None:
    """The third kind of call has the same shape."""
    body = orjson.dumps({"input": "x"})
    response = await stub.Embed(pb.EmbedRequest(context=context_of(router), route="default", body=body))
    assert response.report.provider == "p0"


@pytest.mark.parametrize(
    "broken",
    [
        {"route": ""},
        {"body": b"x"},
        {"context": pb.CallContext(bundle="sha256:" + "0" * 64)},
        {"context": pb.CallContext(bundle="nope")},
    ],
    ids=["route", "body", "principal", "bundle"],
)
async def test_a_message_that_breaks_the_contract_is_refused(router: Router, stub: Any, broken: dict[str, Any]) -> None:
    """The contract's rules hold before any use case runs."""
    fields = {"context": context_of(router), "route": "default", "body": BODY} | broken
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Complete(pb.CompleteRequest(**fields))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert router.asked == []


def test_every_method_has_its_callers() -> None:
    """A method that lists nobody would be refused to all; usage is for the gateway alone."""
    methods = pb.DESCRIPTOR.services_by_name["RouterService"].methods
    assert set(CALLERS) == {f"/{SERVICE}/{method.name}" for method in methods}
    assert CALLERS[f"/{SERVICE}/QueryUsage"] == {"gateway"}
    assert set().union(*CALLERS.values()) == {"gateway", "orchestrator"}
