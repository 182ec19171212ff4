"""One action under consideration, and what the checks have found out about it so far.

The only mutable object of the domain: each check adds its finding, so that a refusal at any point can be recorded with
all that was known by then.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from amas_governance.dlp.pseudonyms import RunPseudonyms

from .contract import Contract, Grant
from .leaving import Leaving, Token
from .model import ActionContext, ApprovalGrant, Decision, Effect, Reason, Requirement, ToolAction


@dataclass
class Case:
    """Who wants what; then contract, grant and arguments; then the policy's input and the data findings."""

    context: ActionContext
    action: ToolAction
    approval: ApprovalGrant | None = None
    contract: Contract | None = None
    granted: Grant | None = None
    arguments: Mapping[str, Any] | None = None
    schema: Mapping[str, Any] | None = None
    """The live tool's own schema of its arguments."""
    proposed: Mapping[str, Any] | None = None
    """The arguments as they came; in `arguments` values stand in place of pseudonyms that may be undone."""
    pseudonyms: RunPseudonyms | None = None
    """Those of the run; None: there are none, and what would get one is redacted."""
    digest: str = ""
    autonomy: Mapping[str, Any] | None = None
    """The policy's `autonomy`; None for roles whose contracts say nothing of it."""
    policy_input: Mapping[str, Any] | None = None
    obligations: tuple[str, ...] = ()
    leaving: Leaving = field(default_factory=Leaving)
    quota: Mapping[str, Any] | None = None
    """Which quota refused the action, what is left and when it renews; None: none did."""
    delivered: Mapping[str, Any] | None = None
    """The arguments as the tool gets them, where DLP changes them."""

    @property
    def grant(self) -> Grant:
        """The grant; only asked for after the contract check has set it."""
        if self.granted is None:
            raise RuntimeError("the contract check has not run")
        return self.granted

    @property
    def sent_arguments(self) -> Mapping[str, Any]:
        """What the tool gets."""
        if self.arguments is None:
            raise RuntimeError("the contract check has not run")
        return self.arguments if self.delivered is None else self.delivered

    @property
    def token(self) -> Token | None:
        """Makes pseudonyms."""
        return None if self.pseudonyms is None else self.pseudonyms.token

    @property
    def role_version(self) -> str:
        return "" if self.contract is None else self.contract.version

    @property
    def effect(self) -> str:
        return "" if self.granted is None else self.granted.effect

    @property
    def idempotent(self) -> bool:
        return self.granted is not None and self.granted.idempotent

    def decide(self, effect: Effect, reasons: tuple[Reason, ...], approval: Requirement | None = None) -> Decision:
        """A decision about this action, with an id of its own."""
        return Decision(
            id=str(uuid.uuid4()),
            effect=effect,
            bundle=self.context.bundle,
            action_digest=self.digest,
            reasons=reasons,
            obligations=self.obligations,
            approval=approval,
        )
