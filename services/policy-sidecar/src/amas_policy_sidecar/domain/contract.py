"""What the contracts of the acting role, and of those that delegated to it, grant together.

A delegate never holds more than the intersection of what all of them hold: each rule here only ever narrows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from amas_governance.labels import Confidentiality, Label
from amas_governance.resources import (
    AgentRole,
    AmountBound,
    ApprovalRequirement,
    Quota,
    ToolGrant,
    ToolServer,
    UntrustedStance,
)

from .errors import Denied
from .leaving import RoleRules
from .model import ActionContext, EscalationRule, Requirement, ToolAction

# Strictest first: what one role of a chain denies, no other allows.
_UNTRUSTED_STRICTNESS = get_args(UntrustedStance)


class Resources(Protocol):
    """The part of a bundle that a contract check reads."""

    def role(self, name: str) -> AgentRole | None: ...
    def tool_server(self, name: str) -> ToolServer | None: ...
    @property
    def quotas(self) -> tuple[Quota, ...]: ...


@dataclass(frozen=True)
class Contract:
    """The roles of one context, outermost first; the last one acts."""

    roles: tuple[AgentRole, ...]

    @property
    def acting(self) -> AgentRole:
        return self.roles[-1]

    @property
    def version(self) -> str:
        return self.acting.spec.version

    @property
    def clearance(self) -> tuple[Confidentiality, frozenset[str]]:
        """What every role of the chain may see: the lowest level and the categories that all have."""
        level = min(role.spec.data.clearance for role in self.roles)
        categories = frozenset(self.roles[0].spec.data.categories)
        for role in self.roles[1:]:
            categories &= frozenset(role.spec.data.categories)
        return level, categories

    @property
    def pseudonymises(self) -> bool:
        """Whether data that the chain may not see comes under pseudonyms: only if every role of it says so."""
        return all(role.spec.data.uncleared == "pseudonymise" for role in self.roles)


@dataclass(frozen=True)
class CallLimit:
    """How often one role of the chain may call the tool in one run; None means without a bound of its own."""

    role: str
    calls: int | None


@dataclass(frozen=True)
class Grant:
    """One tool as the whole chain grants it."""

    tool: str
    server: ToolServer
    effect: str
    idempotent: bool
    narrowings: tuple[Mapping[str, Any], ...]
    sensitive: tuple[str, ...] | None
    clearance: tuple[Confidentiality, frozenset[str]] | None
    untrusted: str
    approval: Requirement | None
    amounts: tuple[AmountBound, ...]
    call_limits: tuple[CallLimit, ...]
    result_label: Label
    leaving: tuple[RoleRules, ...]
    quotas: tuple[Quota, ...] = ()
    """Those of the bundle; which of them a call counts under depends on who calls."""

    @property
    def repeatable(self) -> bool:
        """Whether a second call does no harm (invariant I4)."""
        return self.idempotent or self.effect == "read"


def resolve_contract(resources: Resources, context: ActionContext) -> Contract:
    """The chain of roles; raises Denied if one is unknown or was not entitled to delegate to the next."""
    roles: list[AgentRole] = []
    for name in (*context.delegated_by, context.role):
        role = resources.role(name)
        if role is None:
            raise Denied("ROLE_UNKNOWN", f"the bundle has no role {name or '(empty)'}")
        if roles and name not in roles[-1].spec.delegates:
            raise Denied("DELEGATION_NOT_GRANTED", f"role {roles[-1].metadata.name} may not delegate to {name}")
        roles.append(role)
    return Contract(tuple(roles))


def resolve_grant(resources: Resources, contract: Contract, action: ToolAction) -> Grant:
    """The intersection of the chain's grants of one tool; raises Denied if one of the roles lacks it."""
    granted: list[tuple[AgentRole, ToolGrant]] = []
    for role in contract.roles:
        grant = role.spec.grant(action.tool)
        if grant is None:
            raise Denied("TOOL_NOT_GRANTED", f"role {role.metadata.name} does not grant {action.tool}")
        granted.append((role, grant))
    server = resources.tool_server(action.server)
    policy = server.spec.tools.get(action.name) if server is not None else None
    if server is None or policy is None:
        raise Denied("TOOL_UNKNOWN", f"the bundle has no tool {action.tool}")
    grants = [grant for _, grant in granted]
    return Grant(
        tool=action.tool,
        server=server,
        effect=policy.effect,
        idempotent=policy.idempotent,
        narrowings=tuple(grant.arguments for grant in grants if grant.arguments is not None),
        sensitive=policy.sensitive,
        clearance=_clearance(server, action.name),
        untrusted=min((grant.untrusted for grant in grants), key=_UNTRUSTED_STRICTNESS.index),
        approval=_strictest([grant.approval for grant in grants if grant.approval is not None]),
        # Of each role of the chain: the strictest decides.
        amounts=tuple(bound for grant in grants for bound in grant.amounts),
        call_limits=tuple(CallLimit(role.metadata.name, grant.limits.calls) for role, grant in granted),
        result_label=server.spec.result_label(action.name),
        leaving=tuple(
            RoleRules(grant.dlp, role.spec.data.dlp, frozenset(role.spec.data.categories)) for role, grant in granted
        ),
        quotas=resources.quotas,
    )


def resolve_reach(resources: Resources, contract: Contract) -> tuple[Grant, ...]:
    """Every tool that the acting role can call as the last of its chain."""
    reach: list[Grant] = []
    for tool in sorted(grant.name for grant in contract.acting.spec.tools):
        try:
            reach.append(resolve_grant(resources, contract, ToolAction(tool, "{}")))
        except Denied:
            continue
    return tuple(reach)


def _strictest(requirements: Sequence[ApprovalRequirement]) -> Requirement | None:
    """One requirement that satisfies all; raises Denied if no group may answer for all of them."""
    if not requirements:
        return None
    since = _answers_since(requirements[0])
    for requirement in requirements[1:]:
        other = _answers_since(requirement)
        # Whoever may answer for all may do so from when on the last of them lets it.
        since = {group: max(after, other[group]) for group, after in since.items() if group in other}
    groups = tuple(sorted(group for group, after in since.items() if after == 0))
    if not groups:
        raise Denied("DELEGATION_APPROVAL_CONFLICT", "no group may approve for every role of the delegation chain")
    expires_in = min(requirement.expires_in for requirement in requirements)
    reminders = [requirement.remind_after for requirement in requirements if requirement.remind_after is not None]
    return Requirement(
        groups=groups,
        quorum=max(requirement.quorum for requirement in requirements),
        four_eyes=any(requirement.four_eyes for requirement in requirements),
        expires_in=expires_in,
        remind_after=min((after for after in reminders if after < expires_in), default=None),
        escalate=tuple(
            EscalationRule(after, tuple(sorted(group for group, at in since.items() if at == after)))
            for after in sorted(set(since.values()) - {0.0})
            if after < expires_in
        ),
    )


def _answers_since(requirement: ApprovalRequirement) -> dict[str, float]:
    """From how many seconds after the asking on each group may answer."""
    since = dict.fromkeys(requirement.from_, 0.0)
    for rule in requirement.escalate:
        since.update(dict.fromkeys(rule.to, rule.after))
    return since


def _clearance(server: ToolServer, tool: str) -> tuple[Confidentiality, frozenset[str]] | None:
    stated = server.spec.clearance_of(tool)
    return None if stated is None else (stated.confidentiality, frozenset(stated.categories))
