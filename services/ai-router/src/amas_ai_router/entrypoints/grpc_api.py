"""amas.router.v1.RouterService: translates, delegates to one use case, translates back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from amas.router.v1 import router_pb2, router_pb2_grpc

from amas_ai_router.domain.errors import ModelCallError
from amas_ai_router.usecases.complete import Complete
from amas_ai_router.usecases.embed import Embed
from amas_ai_router.usecases.list_budgets import ListBudgets
from amas_ai_router.usecases.list_models import ListModels
from amas_ai_router.usecases.load_bundle import LoadBundle
from amas_ai_router.usecases.query_usage import QueryUsage
from amas_ai_router.usecases.stream_complete import StreamComplete

from .translate import call_context, model_request, report_message, usage_query, usage_row
from .translate_budgets import budget_state

SERVICE = "amas.router.v1.RouterService"
# gRPC proposal A6: a negative pushback tells the client's library to make no further attempt.
NO_RETRY = (("grpc-retry-pushback-ms", "-1"),)

_Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class RouterUseCases:
    """What the service can do."""

    complete: Complete
    stream_complete: StreamComplete
    embed: Embed
    list_models: ListModels
    load_bundle: LoadBundle
    query_usage: QueryUsage
    list_budgets: ListBudgets


class RouterApi(router_pb2_grpc.RouterServiceServicer):
    """The servicer."""

    def __init__(self, use_cases: RouterUseCases) -> None:
        self._do = use_cases

    async def LoadBundle(  # noqa: N802 - named by the contract
        self, request: router_pb2.LoadBundleRequest, context: _Context
    ) -> router_pb2.LoadBundleResponse:
        """Takes a bundle."""
        await self._do.load_bundle.run(request.digest, request.content)
        return router_pb2.LoadBundleResponse()

    async def Complete(  # noqa: N802 - named by the contract
        self, request: router_pb2.CompleteRequest, context: _Context
    ) -> router_pb2.CompleteResponse:
        """Answers in one piece."""
        with _no_blind_retry(context):
            body, report = await self._do.complete.run(model_request(request))
        return router_pb2.CompleteResponse(body=body, report=report_message(report))

    # The generated types know only iterators; grpc.aio takes a coroutine that writes as well.
    async def StreamComplete(  # type: ignore[override]  # noqa: N802 - named by the contract
        self, request: router_pb2.StreamCompleteRequest, context: _Context
    ) -> None:
        """Answers chunk by chunk; written, not yielded, so that a client that goes away ends it at once."""
        with _no_blind_retry(context):
            end = await self._do.stream_complete.run(model_request(request), _Chunks(context))
        report = report_message(end.report)
        if end.reason:
            broken = router_pb2.StreamBroken(reason=end.reason, message=end.message, report=report)
            await context.write(router_pb2.StreamCompleteResponse(broken=broken))
        else:
            await context.write(router_pb2.StreamCompleteResponse(report=report))

    async def Embed(  # noqa: N802 - named by the contract
        self, request: router_pb2.EmbedRequest, context: _Context
    ) -> router_pb2.EmbedResponse:
        """Answers with vectors."""
        with _no_blind_retry(context):
            body, report = await self._do.embed.run(model_request(request))
        return router_pb2.EmbedResponse(body=body, report=report_message(report))

    async def ListModels(  # noqa: N802 - named by the contract
        self, request: router_pb2.ListModelsRequest, context: _Context
    ) -> router_pb2.ListModelsResponse:
        """Names the routes that the caller may use."""
        routes = await self._do.list_models.run(call_context(request.context))
        models = [
            router_pb2.Model(id=route.name, targets=[target.name for target in route.targets]) for route in routes
        ]
        return router_pb2.ListModelsResponse(models=models)

    async def QueryUsage(  # noqa: N802 - named by the contract
        self, request: router_pb2.QueryUsageRequest, context: _Context
    ) -> router_pb2.QueryUsageResponse:
        """Adds up."""
        page = await self._do.query_usage.run(usage_query(request))
        return router_pb2.QueryUsageResponse(
            rows=[usage_row(row) for row in page.rows], next_page_token=page.next_page_token
        )

    async def ListBudgets(  # noqa: N802 - named by the contract
        self, request: router_pb2.ListBudgetsRequest, context: _Context
    ) -> router_pb2.ListBudgetsResponse:
        """Says what is left."""
        page = await self._do.list_budgets.run(
            call_context(request.context), request.name, request.page_size, request.page_token
        )
        return router_pb2.ListBudgetsResponse(
            budgets=[budget_state(state) for state in page.states], next_page_token=page.next_page_token
        )


class _Chunks:
    """The sink of a stream: gRPC's flow control holds the writer back."""

    def __init__(self, context: _Context) -> None:
        self._context = context

    async def chunk(self, data: bytes) -> None:
        """Sends one chunk."""
        await self._context.write(router_pb2.StreamCompleteResponse(chunk=data))


@contextmanager
def _no_blind_retry(context: _Context) -> Iterator[None]:
    try:
        yield
    except ModelCallError:
        context.set_trailing_metadata(NO_RETRY)
        raise
