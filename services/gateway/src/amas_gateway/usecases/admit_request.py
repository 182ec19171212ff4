"""May this principal do this, now? Roles first, then revocations, then rates; every API asks here before all else.

Who has not the role is refused without the orchestrator: it may be away, and then it is waited for and woken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from amas_chassis.errors import AmasError, ErrorKind

from amas_gateway.domain import authorization
from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import principal_revoked, rate_limited
from amas_gateway.domain.limits import Allowance, Rate, RouteClass, Taken
from amas_gateway.domain.model import Denial, Principal
from amas_gateway.ports import AccessLog, RateLimiter, RevokedPrincipals
from amas_gateway.telemetry import Instruments

# Which allowance an action draws on.
ROUTE_CLASSES: dict[Action, RouteClass] = {
    Action.RUN_START: RouteClass.WRITE,
    Action.RUN_READ: RouteClass.READ,
    Action.RUN_WATCH: RouteClass.READ,
    Action.RUN_CANCEL: RouteClass.WRITE,
    Action.APPROVAL_READ: RouteClass.READ,
    Action.APPROVAL_DECIDE: RouteClass.WRITE,
    Action.RESOURCE_READ: RouteClass.READ,
    Action.RESOURCE_APPLY: RouteClass.WRITE,
    Action.MODEL_CALL: RouteClass.MODEL,
    Action.USAGE_READ: RouteClass.READ,
    Action.AUDIT_READ: RouteClass.READ,
    Action.REVOCATION_READ: RouteClass.READ,
    Action.AUDIT_ERASE: RouteClass.WRITE,
    Action.REVOCATION_CHANGE: RouteClass.WRITE,
}


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of one route class, for a whole tenant and for each of its principals."""

    tenant: Rate
    principal: Rate


class RateExceededError(AmasError):
    """RESOURCE_EXHAUSTED that still knows what was left, for the headers."""

    def __init__(self, taken: Taken) -> None:
        error = rate_limited(taken.retry_after)
        super().__init__(error.kind, error.reason, error.message, retry_after=error.retry_after)
        self.taken = taken


class AdmitRequest:
    """Raises PERMISSION_DENIED (ROLE_MISSING, REVOKED) or RateExceededError; answers what is left of the rates."""

    def __init__(
        self,
        limiter: RateLimiter,
        revoked: RevokedPrincipals,
        access_log: AccessLog,
        rates: Mapping[RouteClass, Rates],
        instruments: Instruments,
    ) -> None:
        self._limiter = limiter
        self._revoked = revoked
        self._access_log = access_log
        self._rates = rates
        self._instruments = instruments

    async def __call__(self, principal: Principal, action: Action, trace_id: str = "") -> Taken:
        """Charges one request to the tenant and to the principal: to both or to neither."""
        try:
            authorization.require(principal, action)
            await self._refuse_revoked(principal, action)
        except AmasError as error:
            if error.kind is ErrorKind.PERMISSION_DENIED:
                self.denied(principal, action, error.reason, trace_id)
            raise
        route_class = ROUTE_CLASSES[action]
        rates = self._rates[route_class]
        taken = await self._limiter.take(
            (
                Allowance("tenant", f"{{{principal.tenant}}}:{route_class}", rates.tenant),
                Allowance(
                    "principal",
                    f"{{{principal.tenant}}}:{route_class}:{_name(principal)}",
                    rates.principal,
                ),
            )
        )
        if not taken.allowed:
            self._instruments.limited.labels(route_class).inc()
            raise RateExceededError(taken)
        return taken

    async def _refuse_revoked(self, principal: Principal, action: Action) -> None:
        if action is not Action.MODEL_CALL:
            await self._revoked.refuse(principal)
        elif self._revoked.has(principal):
            # What is not known here yet is refused further right, where models are called: no reason to wait.
            raise principal_revoked()

    def denied(self, principal: Principal, action: Action, reason: str, trace_id: str = "") -> None:
        """Remembers a refusal for the audit log."""
        self._instruments.denied.labels(reason).inc()
        self._access_log.denied(Denial(reason, action, principal.tenant, principal.subject, trace_id))


def _name(principal: Principal) -> str:
    """A short, safe name for keys: subjects are any text that an issuer likes."""
    return hashlib.sha256(f"{principal.issuer}\n{principal.subject}".encode()).hexdigest()[:32]
