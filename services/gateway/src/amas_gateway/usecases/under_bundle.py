"""Calls the router under the tenant's active bundle, and hands the bundle over once if the router does not know it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from amas_chassis.errors import AmasError

from amas_gateway.domain.model import ActiveBundle, ModelCall, Principal
from amas_gateway.ports import Bundles, Models
from amas_gateway.telemetry import Instruments

ResultT = TypeVar("ResultT")

BUNDLE_UNKNOWN = "BUNDLE_UNKNOWN"


@dataclass(frozen=True, slots=True)
class UnderBundle:
    bundles: Bundles
    models: Models
    instruments: Instruments

    async def __call__(self, tenant: str, call: Callable[[str], Awaitable[ResultT]]) -> ResultT:
        """`call` gets the bundle's digest; it is made at most twice."""
        bundle = await self.bundles.active(tenant)
        try:
            return await call(bundle.digest)
        except AmasError as error:
            if error.reason != BUNDLE_UNKNOWN:
                raise
        await self.hand_over(bundle)
        return await call(bundle.digest)

    async def hand_over(self, bundle: ActiveBundle) -> None:
        """Gives the router the bundle's content; it computes the digest again."""
        self.instruments.bundle_handovers.inc()
        await self.models.load_bundle(bundle)


def scoped(principal: Principal, call: ModelCall) -> ModelCall:
    """The call with its idempotency key bound to the principal.

    The router's keys are one space, which runs use too: a client must be able to name neither a run's call nor that of
    another principal.
    """
    if not call.idempotency_key:
        return call
    owner = "\n".join((principal.tenant, principal.issuer, principal.subject, call.idempotency_key))
    return replace(call, idempotency_key=f"client/{hashlib.sha256(owner.encode()).hexdigest()}")
