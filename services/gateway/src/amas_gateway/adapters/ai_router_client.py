"""The ai-router over gRPC: model calls and the usage ledger. Bodies are OpenAI JSON and go through as bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
from amas.common.v1 import label_pb2
from amas.router.v1 import router_pb2 as pb
from amas_chassis.channels import Client

from amas_gateway.domain import model
from amas_gateway.domain.errors import repeat_unsafe
from amas_gateway.domain.model import Principal

from .identity_wire import to_wire
from .times import timestamp
from .upstream import StreamCall, errors_of, translated

if TYPE_CHECKING:
    from amas.router.v1.router_pb2_grpc import RouterServiceAsyncStub


SERVICE = "ai-router"
# A route's own total time-outs and failovers end a call earlier; this only bounds what is lost when they do not, and
# what a client may ask for.
MODEL_TIMEOUT_SECONDS = 600.0
CALL_TIMEOUT_SECONDS = 10.0
# gRPC proposal A6: nobody may repeat a call blindly, says the router, or the channel of a call that broke under way.
_PUSHBACK = "grpc-retry-pushback-ms"
# What a developer types is the company's own: internal, and trusted as its author is. Routes with a lower clearance
# refuse it, which is the safe side.
_LABEL = label_pb2.Label(confidentiality=label_pb2.CONFIDENTIALITY_INTERNAL, integrity=label_pb2.INTEGRITY_TRUSTED)


class RouterModels:
    """Port `Models`."""

    def __init__(self, client: Client[RouterServiceAsyncStub]) -> None:
        self._client = client

    async def load_bundle(self, bundle: model.ActiveBundle) -> None:
        request = pb.LoadBundleRequest(digest=bundle.digest, content=bundle.content)
        with errors_of(SERVICE):
            await self._client.stub.LoadBundle(request, timeout=CALL_TIMEOUT_SECONDS)

    async def complete(self, principal: Principal, bundle: str, call: model.ModelCall) -> model.Answer:
        request = pb.CompleteRequest(context=_context(principal, bundle, call), route=call.route, body=call.body)
        with _model_errors():
            answer = await self._client.stub.Complete(request, timeout=_timeout(call))
        return model.Answer(answer.body, _report(answer.report))

    async def stream(
        self, principal: Principal, bundle: str, call: model.ModelCall
    ) -> AsyncGenerator[model.Chunk | model.StreamEnd]:
        request = pb.StreamCompleteRequest(context=_context(principal, bundle, call), route=call.route, body=call.body)
        parts = self._client.stub.StreamComplete(request, timeout=_timeout(call))
        with _model_stream(parts):
            async for part in parts:
                # A part of a newer contract holds nothing that this client could show.
                if part.WhichOneof("part") is not None:
                    yield _part(part)

    async def embed(self, principal: Principal, bundle: str, call: model.ModelCall) -> model.Answer:
        request = pb.EmbedRequest(context=_context(principal, bundle, call), route=call.route, body=call.body)
        with _model_errors():
            answer = await self._client.stub.Embed(request, timeout=_timeout(call))
        return model.Answer(answer.body, _report(answer.report))

    async def list(self, principal: Principal, bundle: str) -> Sequence[model.ModelName]:
        request = pb.ListModelsRequest(context=_context(principal, bundle))
        with errors_of(SERVICE):
            answer = await self._client.stub.ListModels(request, timeout=CALL_TIMEOUT_SECONDS)
        return [model.ModelName(entry.id, tuple(entry.targets)) for entry in answer.models]


class RouterUsage:
    """Port `Usage`."""

    def __init__(self, client: Client[RouterServiceAsyncStub]) -> None:
        self._client = client

    async def query(self, tenant: str, query: model.UsageQuery) -> model.Page[object]:
        request = pb.QueryUsageRequest(
            tenant=tenant, run_id=query.run_id, page_size=query.page.size, page_token=query.page.token
        )
        for name, text in (("since", query.since), ("until", query.until)):
            if text:
                getattr(request, name).CopyFrom(timestamp(name, text))
        with errors_of(SERVICE):
            answer = await self._client.stub.QueryUsage(request, timeout=CALL_TIMEOUT_SECONDS)
        return model.Page(answer.rows, answer.next_page_token)

    async def budgets(self, principal: Principal, bundle: str, query: model.BudgetQuery) -> model.Page[object]:
        request = pb.ListBudgetsRequest(
            context=_context(principal, bundle),
            name=query.name,
            page_size=query.page.size,
            page_token=query.page.token,
        )
        with errors_of(SERVICE):
            answer = await self._client.stub.ListBudgets(request, timeout=CALL_TIMEOUT_SECONDS)
        return model.Page(answer.budgets, answer.next_page_token)


_LEFT_OPEN = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


@contextmanager
def _model_errors() -> Iterator[None]:
    """Translates the AioRpcError of a model call, and keeps the router's word that it must not be repeated blindly."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        told = translated(SERVICE, error)
        # Past its deadline, or the end of a router that let go of it, nobody can say what a provider has done.
        if error.code() in _LEFT_OPEN or _pushed_back(error):
            raise repeat_unsafe(told) from error
        raise told from error


@contextmanager
def _model_stream(call: StreamCall) -> Iterator[None]:
    try:
        with _model_errors():
            yield
    finally:
        call.cancel()


def _pushed_back(error: grpc.aio.AioRpcError) -> bool:
    # The stubs do not know that metadata is iterated by its pairs.
    trailers: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()  # type: ignore[assignment]
    return any(key == _PUSHBACK and str(value).startswith("-") for key, value in trailers)


def _timeout(call: model.ModelCall) -> float:
    return MODEL_TIMEOUT_SECONDS if call.timeout is None else min(call.timeout, MODEL_TIMEOUT_SECONDS)


def _context(principal: Principal, bundle: str, call: model.ModelCall | None = None) -> pb.CallContext:
    if call is None:
        return pb.CallContext(principal=to_wire(principal), bundle=bundle, label=_LABEL)
    return pb.CallContext(
        principal=to_wire(principal),
        bundle=bundle,
        label=_LABEL,
        idempotency_key=call.idempotency_key,
        no_cache=call.no_cache,
    )


def _part(part: pb.StreamCompleteResponse) -> model.Chunk | model.StreamEnd:
    if part.HasField("chunk"):
        return model.Chunk(part.chunk)
    if part.HasField("report"):
        return model.StreamEnd(_report(part.report))
    broken = part.broken
    return model.StreamEnd(_report(broken.report), broken.reason or "STREAM_BROKEN", broken.message)


def _report(report: pb.CallReport) -> model.Report:
    billed = None
    if report.HasField("usage"):
        usage = report.usage
        billed = model.Billed(
            usage.input_tokens, usage.output_tokens, usage.cost.amount, usage.cost.currency, usage.estimated
        )
    return model.Report(
        report.call_id, report.provider, report.model, report.attempts, report.replayed, report.cache, billed
    )
