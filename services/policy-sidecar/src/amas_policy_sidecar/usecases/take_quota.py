"""The fourth check: the quotas, and in the same step revocations. What passes with time is waited for, briefly.

If the store cannot answer, the error of the port goes through and the action does not happen (invariant I2).
"""

from __future__ import annotations

import asyncio

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.quota import Declared, QuotaAnswer, QuotaClaim, QuotaVerdict
from amas_policy_sidecar.domain.quota_refusals import exceeded, later, passes_soon, refusal_data
from amas_policy_sidecar.domain.revocations import approver_refused, refused
from amas_policy_sidecar.ports import Quota
from amas_policy_sidecar.telemetry import Instruments

# Longest wait, in seconds, for a rate or a place: longer ones are the caller's, who waits durably.
MAX_WAIT = 2.0
# Most often that a claim is tried within that time.
MAX_TRIES = 8
_SHORTEST_WAIT = 0.05


class TakeQuota:
    """Claims, in one store for all replicas."""

    def __init__(self, quota: Quota, instruments: Instruments) -> None:
        self._quota = quota
        self._instruments = instruments

    async def __call__(self, case: Case, claim: QuotaClaim) -> int:
        """Take the claim; answers how many bytes may come in.

        Raises Denied for what does not change soon, AmasError RESOURCE_EXHAUSTED for what does: a rate, a place, what
        calls under way hold, a window that ends. Either leaves in the case which bound it was.
        """
        waited = 0.0
        for _ in range(MAX_TRIES):
            verdict = await self._quota.take(claim)
            if verdict.answer is QuotaAnswer.GRANTED:
                self._used(claim, verdict)
                return verdict.bytes_in
            self._refuse_for_good(case, claim, verdict)
            wait = max(verdict.retry_after or 0.0, _SHORTEST_WAIT)
            if waited + wait > MAX_WAIT:
                break
            await asyncio.sleep(wait)
            waited += wait
        self._note(case, verdict)
        raise later(claim, verdict)

    async def peek(self, case: Case, claim: QuotaClaim) -> None:
        """Raises Denied if the claim would be refused now, and waiting would not help."""
        self._refuse_for_good(case, claim, await self._quota.peek(claim))

    def _refuse_for_good(self, case: Case, claim: QuotaClaim, verdict: QuotaVerdict) -> None:
        if verdict.revoked is not None:
            if verdict.revoked in claim.needs:
                raise refused(verdict.revoked)
            raise approver_refused([verdict.revoked.name])
        if not passes_soon(verdict):
            self._note(case, verdict)
            raise exceeded(claim, verdict)

    def _used(self, claim: QuotaClaim, verdict: QuotaVerdict) -> None:
        for bound, share in zip(claim.bounds, verdict.shares, strict=False):
            # Of one with many counters the last caller's says nothing.
            if bound.declared is Declared.QUOTA and bound.whole:
                self._instruments.quota_used(claim.tenant, bound.name, share)

    def _note(self, case: Case, verdict: QuotaVerdict) -> None:
        if verdict.refusal is not None:
            case.quota = refusal_data(verdict.refusal)
            self._instruments.quota_refused(verdict.refusal)
