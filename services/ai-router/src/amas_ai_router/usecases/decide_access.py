"""May this caller use this route? Asks policy once and keeps the answer for its bundle; without an answer, no call.

Answers are kept until something is revoked or restored, which the policy-sidecar is asked about in the background, four
times a second. Where it was not asked for a second, it is asked before anything is answered from memory: no answer that
is kept outlives a revocation by more than that. A call pays nothing for it.
"""

from __future__ import annotations

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_chassis.kept_fresh import KeptFresh

from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.model import CallContext, Decision, Principal
from amas_ai_router.ports import Policy

from .find_routing import FindRouting

# Decisions kept; each is some 500 bytes. A bundle is part of the key, so a new bundle starts afresh.
MAX_DECISIONS = 16_384
# Seconds between two looks at what is revoked, and how long one is believed.
LOOK_INTERVAL = 0.25
LOOK_LEASE = 0.9

# All that a decision may depend on: run and step are not told to policy, so the answer is the same for all of them.
_Key = tuple[Principal, str, str, str, str, object]


class DecideAccess:
    """Pure answers from memory, others from the policy-sidecar. `watch` belongs to the background work."""

    def __init__(self, policy: Policy, routing: FindRouting, clock: Clock) -> None:
        self._policy = policy
        self._routing = routing
        self._kept: BoundedCache[_Key, Decision] = BoundedCache(MAX_DECISIONS)
        self._version = 0
        self._looks = KeptFresh("revocations", self._look, clock, interval=LOOK_INTERVAL, lease=LOOK_LEASE)

    async def watch(self) -> None:
        """Asks for ever whether something was revoked."""
        await self._looks.run()

    async def check(self) -> None:
        """Raises until it was known once what is revoked."""
        await self._looks.check()

    async def run(self, context: CallContext, route: str) -> Decision:
        """The decision. Raises UNAVAILABLE if policy cannot be asked: nobody gets in without an answer."""
        if self._looks.at_hand is None:
            await self._looks.get()
        key = (context.principal, context.bundle, context.role, context.orchestration, route, context.label)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        version = self._version
        decision = await self._ask(context, route)
        # An answer from before a change that was noticed meanwhile serves this call alone.
        if version == self._version:
            self._kept.put(key, decision)
        return decision

    async def _look(self) -> int:
        version = await self._policy.revocations_version()
        if version != self._version:
            self._version = version
            self._kept = BoundedCache(MAX_DECISIONS)
        return version

    async def _ask(self, context: CallContext, route: str) -> Decision:
        try:
            return await self._policy.decide(context, route)
        except AmasError as error:
            if error.reason != "BUNDLE_UNKNOWN":
                raise
        await self._policy.load_bundle(context.bundle, await self._routing.content(context.bundle))
        return await self._policy.decide(context, route)
