"""The wire of `amas.policy.v1`: translate, delegate to one use case, translate back. No rule is decided here."""

from __future__ import annotations

from typing import Any

import grpc
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas_governance.canonical import canonical_json

from amas_policy_sidecar.usecases.decide_action import DecideAction
from amas_policy_sidecar.usecases.decide_administration import DecideAdministration
from amas_policy_sidecar.usecases.decide_delegation import DecideDelegation
from amas_policy_sidecar.usecases.describe_tool_server import DescribeToolServer
from amas_policy_sidecar.usecases.enforce_action import EnforceAction
from amas_policy_sidecar.usecases.inspect_answers import InspectAnswers
from amas_policy_sidecar.usecases.list_tools import ListTools
from amas_policy_sidecar.usecases.load_bundle import LoadBundle
from amas_policy_sidecar.usecases.sync_revocations import SyncRevocations

from . import wire

_Context = grpc.aio.ServicerContext[Any, Any]


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    """Serves PolicyService."""

    def __init__(
        self,
        *,
        load_bundle: LoadBundle,
        decide: DecideAction,
        delegation: DecideDelegation,
        administration: DecideAdministration,
        enforce: EnforceAction,
        list_tools: ListTools,
        describe: DescribeToolServer,
        inspect_answers: InspectAnswers,
        sync_revocations: SyncRevocations,
    ) -> None:
        self._load_bundle = load_bundle
        self._decide = decide
        self._delegation = delegation
        self._administration = administration
        self._enforce = enforce
        self._list_tools = list_tools
        self._describe = describe
        self._inspect_answers = inspect_answers
        self._sync_revocations = sync_revocations

    async def LoadBundle(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.LoadBundleRequest, context: _Context
    ) -> policy_pb2.LoadBundleResponse:
        """See policy.proto."""
        await self._load_bundle(request.digest, request.content)
        return policy_pb2.LoadBundleResponse()

    async def Decide(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.DecideRequest, context: _Context
    ) -> policy_pb2.DecideResponse:
        """See policy.proto."""
        acting = wire.read_context(request.context)
        match request.WhichOneof("action"):
            case "model":
                decision = await self._decide.model(acting, wire.read_model_action(request.model))
            case "delegate":
                decision = await self._delegation(acting, wire.read_delegate_action(request.delegate))
            case "admin":
                decision = await self._administration(acting, wire.read_admin_action(request.admin))
            case _:
                decision = await self._decide.tool(acting, wire.read_tool_action(request.tool))
        return policy_pb2.DecideResponse(decision=wire.write_decision(decision))

    async def Enforce(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.EnforceRequest, context: _Context
    ) -> policy_pb2.EnforceResponse:
        """See policy.proto."""
        return wire.write_enforced(await self._enforce(wire.read_command(request)))

    async def ListTools(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.ListToolsRequest, context: _Context
    ) -> policy_pb2.ListToolsResponse:
        """See policy.proto."""
        tools = await self._list_tools(wire.read_context(request.context))
        return policy_pb2.ListToolsResponse(tools=[wire.write_tool(tool) for tool in tools])

    async def DescribeToolServer(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.DescribeToolServerRequest, context: _Context
    ) -> policy_pb2.DescribeToolServerResponse:
        """See policy.proto."""
        live = await self._describe(request.bundle, request.server)
        return policy_pb2.DescribeToolServerResponse(
            tools=[wire.write_tool(tool) for tool in live.tools],
            pin=live.pin,
            accepted_pin=live.accepted_pin,
            offer_json=canonical_json(list(live.offer)).decode(),
        )

    async def InspectAnswers(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.InspectAnswersRequest, context: _Context
    ) -> policy_pb2.InspectAnswersResponse:
        """See policy.proto."""
        results = self._inspect_answers(wire.read_context(request.context), request.values_json)
        return policy_pb2.InspectAnswersResponse(answers=[wire.write_inspected(result) for result in results])

    async def SyncRevocations(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.SyncRevocationsRequest, context: _Context
    ) -> policy_pb2.SyncRevocationsResponse:
        """See policy.proto."""
        version = await self._sync_revocations(wire.read_revoked(request))
        return policy_pb2.SyncRevocationsResponse(version=version)

    async def GetRevocationsVersion(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.GetRevocationsVersionRequest, context: _Context
    ) -> policy_pb2.GetRevocationsVersionResponse:
        """See policy.proto."""
        return policy_pb2.GetRevocationsVersionResponse(version=await self._sync_revocations.version())
