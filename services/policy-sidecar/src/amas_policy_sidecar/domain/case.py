"""One action under consideration, and what the checks have found out about it so far.

The only mutable object of the domain: each check adds its finding, so that a refusal at any point can be recorded with
all that was known by then.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .contract import Contract, Grant
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
    digest: str = ""
    policy_input: Mapping[str, Any] | None = None
    obligations: tuple[str, ...] = ()
    findings: Mapping[str, int] = field(default_factory=dict)
    holds_secret: bool = False

    @property
    def grant(self) -> Grant:
        """The grant; only asked for after the contract check has set it."""
        if self.granted is None:
            raise RuntimeError("the contract check has not run")
        return self.granted

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
