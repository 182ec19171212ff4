"""Hands what is revoked to the policy-sidecar, which puts it where all sidecars see it. RevocationCopies over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amas.common.v1 import revocation_pb2
from amas.policy.v1 import policy_pb2
from amas_chassis.channels import Client
from amas_chassis.errors import AmasError
from amas_governance.revocations import UNKNOWN, Revoked

from .bundle_push import called

if TYPE_CHECKING:
    from amas.policy.v1.policy_pb2_grpc import PolicyServiceAsyncStub

CALL_SECONDS = 3.0
KINDS = {
    kind.removeprefix("REVOCATION_KIND_").lower(): number for kind, number in revocation_pb2.RevocationKind.items()
}


class RevocationPush:
    """RevocationCopies."""

    def __init__(self, client: Client[PolicyServiceAsyncStub]) -> None:
        self._client = client

    async def version(self) -> int:
        """See RevocationCopies."""
        request = policy_pb2.GetRevocationsVersionRequest()
        try:
            response = await called(lambda: self._client.stub.GetRevocationsVersion(request, timeout=CALL_SECONDS))
        except AmasError as error:
            if error.reason == UNKNOWN:
                return 0
            raise
        return int(response.version)

    async def replace(self, revoked: Revoked) -> int:
        """See RevocationCopies."""
        request = policy_pb2.SyncRevocationsRequest(
            version=revoked.version,
            subjects=[
                policy_pb2.RevokedSubject(tenant=one.tenant, kind=KINDS[one.kind.value], name=one.name)
                for one in revoked.members
            ],
        )
        response = await called(lambda: self._client.stub.SyncRevocations(request, timeout=CALL_SECONDS))
        return int(response.version)
