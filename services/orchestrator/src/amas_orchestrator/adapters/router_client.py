"""The ai-router: model calls. ModelClient over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from amas.router.v1 import router_pb2, router_pb2_grpc
from amas_chassis.channels import Client

from amas_orchestrator.ports import Actor, ModelReply

from .bundle_push import Content, with_bundle
from .wire import label_message, principal_message, usage_of

if TYPE_CHECKING:
    from amas.router.v1.router_pb2_grpc import RouterServiceAsyncStub


def make_stub(channel: grpc.aio.Channel) -> RouterServiceAsyncStub:
    """The stub on an asynchronous channel."""
    return router_pb2_grpc.RouterServiceStub(channel)


CALL_SECONDS = 150.0
"""A route's own time-outs are shorter; beyond this the same key is asked again, which joins the call."""
LOAD_SECONDS = 30.0


class RouterClient:
    """ModelClient."""

    def __init__(self, client: Client[RouterServiceAsyncStub], content: Content) -> None:
        self._client = client
        self._content = content

    async def complete(self, actor: Actor, route: str, body: bytes, key: str) -> ModelReply:
        """See ModelClient."""
        context = router_pb2.CallContext(
            principal=principal_message(actor.principal),
            bundle=actor.bundle,
            run_id=actor.run_id,
            step=actor.step,
            role=actor.role,
            orchestration=actor.orchestration,
            label=label_message(actor.label),
            idempotency_key=key,
            fencing_token=actor.fencing_token,
        )
        request = router_pb2.CompleteRequest(context=context, route=route, body=body)
        response = await with_bundle(
            lambda: self._client.stub.Complete(request, timeout=CALL_SECONDS), lambda: self._load(actor)
        )
        report = response.report
        return ModelReply(
            body=response.body,
            provider=report.provider,
            model=report.model,
            usage=usage_of(report.usage),
            attempts=report.attempts,
            duration_ms=report.duration_ms,
        )

    async def _load(self, actor: Actor) -> object:
        content = await self._content(actor.principal.tenant, actor.bundle)
        request = router_pb2.LoadBundleRequest(digest=actor.bundle, content=content)
        return await self._client.stub.LoadBundle(request, timeout=LOAD_SECONDS)
