"""The policy-sidecar over gRPC. Only an explicit allow allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from amas.common.v1 import decision_pb2, identity_pb2, label_pb2
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas_chassis.channels import Client
from amas_chassis.errors import AmasError
from amas_chassis.rpc_errors import from_rpc_error
from amas_governance.labels import Integrity

from amas_ai_router.domain.errors import unavailable
from amas_ai_router.domain.model import CallContext, Decision

if TYPE_CHECKING:
    from amas.policy.v1.policy_pb2_grpc import PolicyServiceAsyncStub

# A bundle of 16 MiB with its modules takes this long at most to load, in seconds.
LOAD_TIMEOUT_SECONDS = 30.0
# A look at the store that all sidecars share, in seconds; calls may wait for it.
LOOK_TIMEOUT_SECONDS = 2.0


def make_stub(channel: grpc.aio.Channel) -> PolicyServiceAsyncStub:
    """The stub on an asynchronous channel."""
    return policy_pb2_grpc.PolicyServiceStub(channel)


class PolicyClient:
    """See ports.Policy."""

    def __init__(self, client: Client[PolicyServiceAsyncStub], *, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    async def decide(self, context: CallContext, route: str) -> Decision:
        """See ports.Policy. Run and step are left out: the answer is kept for all runs."""
        principal = context.principal
        request = policy_pb2.DecideRequest(
            context=policy_pb2.ActionContext(
                principal=identity_pb2.Principal(
                    subject=principal.subject,
                    issuer=principal.issuer,
                    tenant=principal.tenant,
                    roles=principal.roles,
                    groups=principal.groups,
                    client_id=principal.client_id,
                ),
                bundle=context.bundle,
                orchestration=context.orchestration,
                role=context.role,
                context_label=label_pb2.Label(
                    confidentiality=label_pb2.Confidentiality.ValueType(int(context.label.confidentiality)),
                    categories=sorted(context.label.categories),
                    integrity=(
                        label_pb2.INTEGRITY_TRUSTED
                        if context.label.integrity is Integrity.TRUSTED
                        else label_pb2.INTEGRITY_UNTRUSTED
                    ),
                ),
            ),
            model=policy_pb2.ModelAction(route=route),
        )
        try:
            response = await self._client.stub.Decide(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from error
        decision = response.decision
        return Decision(
            id=decision.id,
            allowed=decision.effect == decision_pb2.EFFECT_ALLOW,
            reasons=tuple((reason.code, reason.message) for reason in decision.reasons),
        )

    async def load_bundle(self, digest: str, content: bytes) -> None:
        """See ports.Policy."""
        request = policy_pb2.LoadBundleRequest(digest=digest, content=content)
        try:
            await self._client.stub.LoadBundle(request, timeout=LOAD_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from error

    async def revocations_version(self) -> int:
        """See ports.Policy."""
        request = policy_pb2.GetRevocationsVersionRequest()
        try:
            response = await self._client.stub.GetRevocationsVersion(request, timeout=LOOK_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from error
        return int(response.version)


def _refusal(error: grpc.aio.AioRpcError) -> AmasError:
    refusal = from_rpc_error(error)
    if refusal.reason == "BUNDLE_UNKNOWN":
        return refusal
    return unavailable("POLICY_UNAVAILABLE", f"policy does not answer: {refusal.reason}")
