"""Lets a call in or not: the body makes sense, the bundle has the route, policy allows it, its data may go there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from amas_chassis.errors import AmasError, ErrorKind

from amas_ai_router.domain.bodies import parse_request, request_digest
from amas_ai_router.domain.budgets import BudgetRule, rules_for
from amas_ai_router.domain.clearance import Cleared, clearance
from amas_ai_router.domain.errors import denied, route_unknown
from amas_ai_router.domain.model import CallContext, Decision, ModelRequest, Operation, Route
from amas_ai_router.domain.response_rules import ResponseGuard, make_guard
from amas_ai_router.ports import EventOutbox

from .decide_access import DecideAccess
from .find_routing import FindRouting

# Larger requests are looked through in a thread: 1 MB takes some 10 ms, which other calls must not wait for.
MAX_INLINE_BYTES = 128 * 1024


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
    # What providers may see, and what must be put back into their answer.
    cleared: Cleared | None = None

    @property
    def cached(self) -> bool:
        """Whether the route keeps answers."""
        cache = self.route.spec.cache
        return cache.memo is not None or cache.semantic is not None

    def outgoing(self) -> Admission:
        """The same call with what a provider may see of it."""
        return self if self.cleared is None else replace(self, fields=self.cleared.fields)

    def guard(self) -> ResponseGuard | None:
        """What the answer passes on its way back; None if nothing is to be done. One for each answer."""
        if self.operation is not Operation.CHAT:
            return None
        wanted = self.fields.get("n")
        choices = wanted if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0 else 1
        pseudonyms = None if self.cleared is None else self.cleared.pseudonyms
        return make_guard(self.route.spec.response, pseudonyms, choices=choices)


class AdmitCall:
    """Answers with the decision; what to do about a refusal is the caller's."""

    def __init__(self, routing: FindRouting, access: DecideAccess, outbox: EventOutbox) -> None:
        self._outbox = outbox
        self._routing = routing
        self._access = access

    async def run(self, request: ModelRequest, operation: Operation, *, stream: bool = False) -> Admission:
        """Raises BODY_INVALID, BUNDLE_UNKNOWN, ROUTE_UNKNOWN, or UNAVAILABLE.

        The last if policy cannot be asked, or audit is so far behind that it may miss what a call leaves to tell.
        """
        self._outbox.check_room()
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
        admission = Admission(context, operation, route, version, fields, decision, None, digest, rules, in_full)
        if not decision.allowed:
            return replace(admission, refusal=denied(decision.reasons))
        return await _cleared(admission, len(request.body))


async def _cleared(admission: Admission, size: int) -> Admission:
    """The admission with what may go out, or refused. Raises BODY_INVALID for what cannot be looked through."""
    spec, label, route = admission.route.spec.clearance, admission.context.label, admission.route.name
    try:
        if spec.otherwise == "pseudonymise" and size > MAX_INLINE_BYTES:
            cleared = await asyncio.to_thread(clearance, spec, label, admission.fields, route=route)
        else:
            cleared = clearance(spec, label, admission.fields, route=route)
    except AmasError as error:
        if error.kind is not ErrorKind.PERMISSION_DENIED:
            raise
        return replace(admission, refusal=error)
    return admission if cleared.pseudonyms is None else replace(admission, cleared=cleared)
