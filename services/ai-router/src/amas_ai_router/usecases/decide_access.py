"""May this caller use this route? Asks policy once and keeps the answer for its bundle; without an answer, no call."""

from __future__ import annotations

from amas_chassis.errors import AmasError

from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.model import CallContext, Decision, Principal
from amas_ai_router.ports import Policy

from .find_routing import FindRouting

# Decisions kept; each is some 500 bytes. A bundle is part of the key, so a new bundle starts afresh.
MAX_DECISIONS = 16_384

# All that a decision may depend on: run and step are not told to policy, so the answer is the same for all of them.
_Key = tuple[Principal, str, str, str, str, object]


class DecideAccess:
    """Pure answers from memory, others from the policy-sidecar."""

    def __init__(self, policy: Policy, routing: FindRouting) -> None:
        self._policy = policy
        self._routing = routing
        self._kept: BoundedCache[_Key, Decision] = BoundedCache(MAX_DECISIONS)

    async def run(self, context: CallContext, route: str) -> Decision:
        """The decision. Raises UNAVAILABLE if policy cannot be asked: nobody gets in without an answer."""
        key = (context.principal, context.bundle, context.role, context.orchestration, route, context.label)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        decision = await self._ask(context, route)
        self._kept.put(key, decision)
        return decision

    async def _ask(self, context: CallContext, route: str) -> Decision:
        try:
            return await self._policy.decide(context, route)
        except AmasError as error:
            if error.reason != "BUNDLE_UNKNOWN":
                raise
        await self._policy.load_bundle(context.bundle, await self._routing.content(context.bundle))
        return await self._policy.decide(context, route)
