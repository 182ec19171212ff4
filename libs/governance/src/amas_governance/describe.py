"""What a role may do, in plain English: the same contract always gives the same words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .argument_conditions import conditions
from .describe_dlp import describe_dlp
from .describe_quotas import describe_quota, quotas_of
from .labels import Confidentiality
from .quantities import format_duration, format_percent, format_size
from .resources import (
    AgentRole,
    AmountBound,
    ApprovalRequirement,
    Autonomy,
    Deprecation,
    Resource,
    ToolGrant,
    ToolServer,
)

_EFFECTS = {
    "read": "reads",
    "write": "writes",
    "external": "reaches outside the company",
    "irreversible": "cannot be undone",
}


def describe_role(role: AgentRole, resources: Iterable[Resource] = ()) -> str:
    """Lines of text about a role; `resources` gives the effects of its tools, and the quotas."""
    spec, resources = role.spec, tuple(resources)
    servers = {server.metadata.name: server for server in resources if isinstance(server, ToolServer)}
    lines = [
        f"Role {role.metadata.name}, version {spec.version}.",
        *([describe_deprecation(spec.deprecated)] if spec.deprecated else []),
        f"Purpose: {spec.purpose}",
        f"Model: route {spec.model.route}, temperature {spec.model.temperature:g}.",
        f"Input: {_fields(spec.input.schema_)}.",
        f"Output: {_fields(spec.output.schema_)}.",
        "",
    ]
    if spec.tools:
        lines.append("It may call:")
        for grant in spec.tools:
            lines += [
                f"  - {line}" if not n else f"    {line}" for n, line in enumerate(describe_grant(grant, servers))
            ]
        lines.append("It may call nothing else.")
    else:
        lines.append("It may call no tool.")
    if spec.delegates:
        lines.append(
            f"It may hand sub-tasks to: {', '.join(spec.delegates)}. What they do is bound by this contract too."
        )
    else:
        lines.append("It may hand nothing to another role.")
    lines += ["", *_bounds(role)]
    quotas = quotas_of(role, resources)
    if quotas:
        lines.append("Its calls, and those that it has others make, also count under:")
        lines += [f"  - {describe_quota(quota)}" for quota in quotas]
    if spec.autonomy is not None:
        lines.append(f"{describe_autonomy(spec.autonomy)}.")
    return "\n".join(lines) + "\n"


def describe_grant(grant: ToolGrant, servers: Mapping[str, ToolServer]) -> list[str]:
    """One tool: what it does, how it is narrowed, who must approve."""
    lines = [f"{grant.name} ({_effect(grant, servers)})"]
    lines += [f"only if {condition.text}" for condition in conditions(grant.arguments or {})]
    if grant.approval is not None:
        lines.append(describe_approval(grant.approval))
    if grant.limits.calls is not None:
        lines.append(f"at most {_count(grant.limits.calls, 'call')} in a run; further ones are refused")
    lines += [describe_amount(bound) for bound in grant.amounts]
    lines += [f"in its arguments {phrase}" for phrase in describe_dlp(grant.dlp)]
    lines += _receives(grant, servers)
    if not _reads_only(grant, servers):
        lines.append(
            {
                "allow": "also after it has seen untrusted content",
                "escalate": "after it has seen untrusted content only if a human agrees",
                "trustedArguments": f"after it has seen untrusted content only if {_origins(grant, servers)}, "
                "or a human agrees",
                "deny": "never after it has seen untrusted content",
            }[grant.untrusted]
        )
    return lines


def describe_approval(approval: ApprovalRequirement) -> str:
    """Who must agree, in one phrase."""
    people = f"{approval.quorum} of" if approval.quorum > 1 else "one of"
    eyes = ", other than whoever asked" if approval.four_eyes else ""
    expiry = format_duration(approval.expires_in)
    later = "".join(
        f"; after {format_duration(rule.after)} {', '.join(rule.to)} may answer too" for rule in approval.escalate
    )
    reminded = f"; reminded after {format_duration(approval.remind_after)}" if approval.remind_after else ""
    return f"only after {people} {', '.join(approval.from_)} agrees{eyes}, within {expiry}{reminded}{later}"


def describe_deprecation(deprecated: Deprecation) -> str:
    """Since when, until when and what instead, in one sentence."""
    instead = f" Use {deprecated.replaced_by} instead." if deprecated.replaced_by else ""
    end = f" New runs are refused from {deprecated.removal} on." if deprecated.removal else ""
    return f"Deprecated since {deprecated.since}: {deprecated.message.strip().rstrip('.')}.{instead}{end}"


def describe_autonomy(autonomy: Autonomy) -> str:
    """The error budget, and what happens as it burns, in one sentence."""
    budget = format_percent(1 - autonomy.objective)
    text = (
        f"If more and more of its actions end badly, less of them happens without a human, and none once {budget} of "
        f"those within {format_duration(autonomy.window)} have (few are reckoned as {autonomy.volume:,})"
    )
    if autonomy.pending_approvals is not None:
        text += f"; while {autonomy.pending_approvals:,} approvals wait, what would need another is refused"
    return text


def describe_amount(bound: AmountBound) -> str:
    """What happens to a high amount, in one condition."""
    steps = []
    if bound.escalate_above is not None:
        steps.append(f"asks a human above {bound.escalate_above:g}")
    if bound.deny_above is not None:
        steps.append(f"is refused above {bound.deny_above:g}")
    return f"{bound.argument} {' and '.join(steps)}"


def _bounds(role: AgentRole) -> list[str]:
    bounds, data = role.spec.bounds, role.spec.data
    at_end = "a human is asked whether it may go on" if role.spec.on_bound == "escalate" else "it fails"
    seen = ", ".join(data.categories) if data.categories else "no personal, health, card or secret data"
    ceiling = "anything" if data.clearance is Confidentiality.RESTRICTED else f"{data.clearance.label} data at most"
    ends = (
        f"A step of it ends after {_count(bounds.steps, 'turn')}, {_count(bounds.model_calls, 'model call')}, "
        f"{_count(bounds.tokens, 'token')}, {bounds.cost} or {format_duration(bounds.wall_clock)}, "
        f"whichever comes first; then {at_end}."
    )
    sizes = (
        f"It takes in at most {format_size(bounds.bytes_in)} of tool results and gives out at most "
        f"{format_size(bounds.bytes_out)} of arguments and output, with the same end; "
        f"a malformed output may be repaired {_count(bounds.repairs, 'time')}."
    )
    other = "comes under pseudonyms" if data.uncleared == "pseudonymise" else "is redacted"
    sight = f"It may see {ceiling}, and of special categories: {seen}; in answers of tools what is of others {other}."
    lines = [ends, sizes, sight]
    leaves = describe_dlp(data.dlp)
    if leaves:
        lines.append(f"In arguments of tools, {', '.join(leaves)}.")
    if data.extraction is not None:
        lines.append(
            "What it answers counts as trusted whatever it read: nothing but enumerations, bounded numbers, dates and "
            "identifiers from trusted input."
        )
    return lines


def _effect(grant: ToolGrant, servers: Mapping[str, ToolServer]) -> str:
    server = servers.get(grant.server)
    policy = server.spec.tools.get(grant.tool) if server else None
    if policy is None:
        return "effect unknown"
    again = "may be repeated" if policy.idempotent else "is not repeated"
    return f"{_EFFECTS[policy.effect]}, {again}"


def _reads_only(grant: ToolGrant, servers: Mapping[str, ToolServer]) -> bool:
    server = servers.get(grant.server)
    policy = server.spec.tools.get(grant.tool) if server else None
    return policy is not None and policy.effect == "read"


def _receives(grant: ToolGrant, servers: Mapping[str, ToolServer]) -> list[str]:
    """What the tool's server says that it may be handed."""
    server = servers.get(grant.server)
    cleared = server.spec.clearance_of(grant.tool) if server else None
    if cleared is None:
        return []
    categories = f", of special categories {', '.join(cleared.categories)}" if cleared.categories else ""
    return [f"only while the context holds {cleared.confidentiality.label} data at most{categories}"]


def _origins(grant: ToolGrant, servers: Mapping[str, ToolServer]) -> str:
    """What must stem from trusted input before the tool is called without a human."""
    server = servers.get(grant.server)
    policy = server.spec.tools.get(grant.tool) if server else None
    if policy is None or policy.sensitive is None:
        return "every argument stems from trusted input"
    if not policy.sensitive:
        return "nothing speaks against it (the tool server says that no argument is sensitive)"
    return f"{', '.join(policy.sensitive)} {'stems' if len(policy.sensitive) == 1 else 'stem'} from trusted input"


def _fields(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required") or ())
    properties = schema.get("properties") or {}
    if not properties:
        return "any object"
    return ", ".join(name if name in required else f"{name} (optional)" for name in sorted(properties))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
