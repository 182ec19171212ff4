"""amas.gateway.v1.RevocationsService: translates, asks one use case, translates back."""

# ruff: noqa: N802 - the contract names the methods.
from __future__ import annotations

from amas.common.v1 import revocation_pb2
from amas.gateway.v1 import gateway_pb2 as pb
from amas.gateway.v1 import gateway_pb2_grpc as rpc

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import invalid
from amas_gateway.domain.model import PageQuery, Revocable

from .grpc_calls import Calls, Context, carried_as


class RevocationsServicer(rpc.RevocationsServiceServicer):
    """amas.gateway.v1.RevocationsService."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._verbs = calls.verbs

    async def Revoke(self, request: pb.RevokeRequest, context: Context) -> pb.RevokeResponse:
        principal = await self._calls.admit(context, Action.REVOCATION_CHANGE)
        answer = await self._verbs.revoke(
            principal, _revocable(request.kind, request.name), request.reason, request.force
        )
        return pb.RevokeResponse(
            revocation=carried_as(revocation_pb2.Revocation, answer.revocation), existed=answer.existed
        )

    async def Restore(self, request: pb.RestoreRequest, context: Context) -> pb.RestoreResponse:
        principal = await self._calls.admit(context, Action.REVOCATION_CHANGE)
        answer = await self._verbs.restore(principal, _revocable(request.kind, request.name), request.reason)
        return pb.RestoreResponse(
            revocation=carried_as(revocation_pb2.Revocation, answer.revocation), existed=answer.existed
        )

    async def ListRevocations(self, request: pb.ListRevocationsRequest, context: Context) -> pb.ListRevocationsResponse:
        principal = await self._calls.admit(context, Action.REVOCATION_READ)
        answer = await self._verbs.list_revocations(
            principal, request.all, PageQuery(request.page_size, request.page_token)
        )
        found = [carried_as(revocation_pb2.Revocation, one) for one in answer.items]
        return pb.ListRevocationsResponse(revocations=found, next_page_token=answer.next_page_token)


def _revocable(kind: int, name: str) -> Revocable:
    if kind not in revocation_pb2.RevocationKind.values() or not kind:
        raise invalid("kind", "must be role, tool, principal or bundle")
    return Revocable(kind, name)
