"""Lets a call in or not: the body makes sense, the bundle has the route, policy allows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amas_chassis.errors import AmasError

from amas_ai_router.domain.bodies import parse_request, request_digest
from amas_ai_router.domain.budgets import BudgetRule, rules_for
from amas_ai_router.domain.errors import denied, route_unknown
from amas_ai_router.domain.model import CallContext, Decision, ModelRequest, Operation, Route

from .decide_access import DecideAccess
from .find_routing import FindRouting


@dataclass(frozen=True, slots=True)
class Admission:
    """A call whose route is known, with what policy said. `request_digest` is empty for a call without a key.

    With a `refusal` nothing of it may happen but the record of that.
    """

    context: CallContext
    operation: Operation
    route: Route
    role_version: str
    fields: dict[str, Any]
    decision: Decision
    refusal: AmasError | None
    request_digest: str
    # The budgets that the call counts under, and whether audit keeps its contents.
    rules: tuple[BudgetRule, ...] = ()
    audited_in_full: bool = False

    @property
    def cached(self) -> bool:
        """Whether the route keeps answers."""
        cache = self.route.spec.cache
        return cache.memo is not None or cache.semantic is not None

    def outgoing(self) -> Admission:
        """The same call with what a provider may see of it."""
        return self


class AdmitCall:
    """Answers with the decision; what to do about a refusal is the caller's."""

    def __init__(self, routing: FindRouting, access: DecideAccess) -> None:
        self._routing = routing
        self._access = access

    async def run(self, request: ModelRequest, operation: Operation, *, stream: bool = False) -> Admission:
        """Raises BODY_INVALID, BUNDLE_UNKNOWN, ROUTE_UNKNOWN, or UNAVAILABLE if policy cannot be asked."""
        context = request.context
        fields = parse_request(operation, request.body)
        routing = await self._routing.run(context.bundle)
        route = routing.routes.get(request.route)
        if route is None:
            raise route_unknown(request.route)
        decision = await self._access.run(context, request.route)
        # Only a call with a key is ever compared with another one.
        digest = request_digest(operation, route.name, fields, stream=stream) if context.idempotency_key else ""
        version = routing.role_versions.get(context.role, "")
        rules = rules_for(routing.budgets, context)
        in_full = context.role in routing.audited_in_full
        refusal = None if decision.allowed else denied(decision.reasons)
        return Admission(context, operation, route, version, fields, decision, refusal, digest, rules, in_full)
