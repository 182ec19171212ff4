"""Ask policy about what no human can be asked to approve: a model call, a delegation, an act of administration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_governance.bundle import Bundle

from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import Effect
from amas_policy_sidecar.domain.policy_document import Verdict
from amas_policy_sidecar.ports import PolicyEngine


async def ask_verdict(
    engine: PolicyEngine, bundle: Bundle, document: Mapping[str, Any], *, unsupported: str
) -> Verdict:
    """The allowance; raises Denied for all else, with the code `unsupported` where policy would ask a human."""
    # A dictionary look-up, unless the engine has let go of the policies of a bundle that is still at hand.
    await engine.load(bundle.digest, bundle.policies)
    verdict = Verdict(await engine.decide(bundle.digest, document))
    if verdict.effect is Effect.DENY:
        raise Denied.of(verdict.reasons)
    if verdict.effect is Effect.ESCALATE:
        raise Denied(unsupported, "policy asks for an approval, and nobody can give one for this")
    return verdict
