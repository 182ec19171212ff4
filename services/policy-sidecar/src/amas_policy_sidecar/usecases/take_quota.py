"""The fourth check: the quotas, and in the same step revocations. What passes with time is waited for, briefly.

If the store cannot answer, the error of the port goes through and the action does not happen (invariant I2).
"""

from __future__ import annotations

import asyncio

from amas_policy_sidecar.domain.errors import Denied, overloaded
from amas_policy_sidecar.domain.quota import QuotaAnswer, QuotaClaim, QuotaVerdict
from amas_policy_sidecar.domain.revocations import approver_refused, refused
from amas_policy_sidecar.ports import Quota

# Longest wait, in seconds, for a rate or a place: longer ones are the caller's, who waits durably.
MAX_WAIT = 2.0
# Most often that a claim is tried within that time.
MAX_TRIES = 8
_SHORTEST_WAIT = 0.05


async def take_quota(quota: Quota, claim: QuotaClaim) -> None:
    """Take the claim; raises Denied for what does not change, AmasError RESOURCE_EXHAUSTED for a rate or a place."""
    waited = 0.0
    for _ in range(MAX_TRIES):
        verdict = await quota.take(claim)
        if verdict.answer is QuotaAnswer.GRANTED:
            return
        refuse_for_good(verdict, claim)
        wait = max(verdict.retry_after, _SHORTEST_WAIT)
        if waited + wait > MAX_WAIT:
            break
        await asyncio.sleep(wait)
        waited += wait
    if verdict.answer is QuotaAnswer.BUSY:
        raise overloaded("TOOL_BUSY", f"all places of {claim.server} are taken", retry_after=verdict.retry_after)
    raise overloaded("TOOL_RATE_LIMITED", f"the rate of {claim.server} is used up", retry_after=verdict.retry_after)


def refuse_for_good(verdict: QuotaVerdict, claim: QuotaClaim) -> None:
    """Raises Denied if the run has used up its calls, or something is revoked: waiting would not help."""
    if verdict.revoked is not None:
        if verdict.revoked in claim.needs:
            raise refused(verdict.revoked)
        raise approver_refused([verdict.revoked.name])
    if verdict.answer is QuotaAnswer.CALLS_EXCEEDED:
        raise Denied("QUOTA_EXCEEDED", f"the run has used up its calls of {claim.tool}")
