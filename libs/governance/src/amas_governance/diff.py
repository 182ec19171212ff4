"""What a role gains or loses from one version of its contract to the next: what a reviewer must see.

A change that is neither clearly more nor clearly less is called a change and never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from .argument_conditions import Condition, compare, conditions
from .canonical import canonical_json
from .describe import describe_amount, describe_approval, describe_autonomy, describe_deprecation
from .describe_dlp import Kind, diff_dlp
from .describe_quotas import diff_quotas
from .quantities import format_duration, format_size
from .resources import AgentRole, Quota, ToolGrant, UntrustedStance

_UNTRUSTED = {stance: rank for rank, stance in enumerate(get_args(UntrustedStance))}
_BOUNDS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("steps", "turns", str),
    ("model_calls", "model calls", str),
    ("tokens", "tokens", str),
    ("wall_clock", "wall clock", format_duration),
    ("bytes_in", "bytes in", format_size),
    ("bytes_out", "bytes out", format_size),
    ("repairs", "repairs of its output", str),
)


@dataclass(frozen=True)
class Difference:
    """One difference: there is more freedom, less, or something else is changed."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        """`gains: may call git/git_commit`."""
        return f"{self.kind}: {self.text}"


def diff_roles(before: AgentRole | None, after: AgentRole | None) -> list[Difference]:
    """Differences in a fixed order; None stands for a role that does not exist. Empty when nothing differs."""
    if before is None and after is None:
        return []
    if before is None and after is not None:
        return [Difference("gains", "the role is new"), *_all_tools("gains", after)]
    if before is not None and after is None:
        return [Difference("loses", "the role is removed"), *_all_tools("loses", before)]
    assert before is not None and after is not None  # noqa: S101, PT018 - for mypy: the other cases have returned
    return [
        *_tools(before, after),
        *_delegates(before, after),
        *_bounds(before, after),
        *_autonomy(before, after),
        *_data(before, after),
        *_deprecation(before, after),
        *_words(before, after),
    ]


def diff_quota(before: Quota | None, after: Quota | None) -> list[Difference]:
    """What a quota gives or takes from the roles whose calls count under it; None stands for one that is not there."""
    return [Difference(kind, text) for kind, text in diff_quotas(before, after)]


def _all_tools(kind: Kind, role: AgentRole) -> Iterator[Difference]:
    return (Difference(kind, f"may call {grant.name}") for grant in role.spec.tools)


def _tools(before: AgentRole, after: AgentRole) -> Iterator[Difference]:
    old = {grant.name: grant for grant in before.spec.tools}
    new = {grant.name: grant for grant in after.spec.tools}
    for name in sorted(new.keys() - old.keys()):
        yield Difference("gains", f"may call {name}")
    for name in sorted(old.keys() - new.keys()):
        yield Difference("loses", f"may call {name}")
    for name in sorted(old.keys() & new.keys()):
        yield from _grant(old[name], new[name])


def _grant(old: ToolGrant, new: ToolGrant) -> Iterator[Difference]:
    if old.approval != new.approval:
        yield _approval(old, new)
    yield from _conditions(old, new)
    if old.limits.calls != new.limits.calls:
        # None is no bound of its own, so it is more than any number.
        more = new.limits.calls is None or (old.limits.calls is not None and new.limits.calls > old.limits.calls)
        shown = f"{_calls(old)} to {_calls(new)}"
        yield Difference("gains" if more else "loses", f"{new.name}: calls in a run from {shown}")
    yield from _amounts(old, new)
    for kind, phrase in diff_dlp(old.dlp, new.dlp):
        yield Difference(kind, f"{new.name}: in its arguments {phrase}")
    if old.untrusted != new.untrusted:
        more = _UNTRUSTED[new.untrusted] > _UNTRUSTED[old.untrusted]
        text = f"{new.name}: after untrusted content {new.untrusted} instead of {old.untrusted}"
        yield Difference("gains" if more else "loses", text)


def _amounts(old: ToolGrant, new: ToolGrant) -> Iterator[Difference]:
    for bound in new.amounts:
        if bound not in old.amounts:
            yield Difference("loses", f"{new.name}: {describe_amount(bound)}")
    for bound in old.amounts:
        if bound not in new.amounts:
            yield Difference("gains", f"{new.name}: it holds no more that {describe_amount(bound)}")


def _calls(grant: ToolGrant) -> str:
    return "no bound of its own" if grant.limits.calls is None else str(grant.limits.calls)


def _approval(old: ToolGrant, new: ToolGrant) -> Difference:
    if new.approval is None:
        return Difference("gains", f"{new.name}: no approval is needed any more")
    phrase = describe_approval(new.approval)
    if old.approval is None:
        return Difference("loses", f"{new.name}: {phrase}")
    return Difference("changes", f"{new.name}: {phrase}; before: {describe_approval(old.approval)}")


def _conditions(old: ToolGrant, new: ToolGrant) -> Iterator[Difference]:
    if canonical_json(old.arguments) == canonical_json(new.arguments):
        return
    before, after = (_by_place(grant) for grant in (old, new))
    same = True
    for place in sorted(before.keys() | after.keys()):
        was, now = before.get(place, []), after.get(place, [])
        if was == now:
            continue
        same = False
        if len(was) == len(now) == 1:
            yield Difference(compare(was[0], now[0]), f"{new.name}: {now[0].text}; before: {was[0].text}")
            continue
        for condition in sorted(set(was) - set(now), key=_text):
            yield Difference("gains", f"{new.name}: no longer only if {condition.text}")
        for condition in sorted(set(now) - set(was), key=_text):
            yield Difference("loses", f"{new.name}: now only if {condition.text}")
    if same:
        yield Difference("changes", f"{new.name}: the schema of its arguments")


def _by_place(grant: ToolGrant) -> dict[tuple[str, str], list[Condition]]:
    places: dict[tuple[str, str], list[Condition]] = {}
    for condition in conditions(grant.arguments or {}):
        places.setdefault((condition.name, condition.key), []).append(condition)
    return places


def _text(condition: Condition) -> str:
    return condition.text


def _delegates(before: AgentRole, after: AgentRole) -> Iterator[Difference]:
    old, new = set(before.spec.delegates), set(after.spec.delegates)
    for name in sorted(new - old):
        yield Difference("gains", f"may delegate to {name}")
    for name in sorted(old - new):
        yield Difference("loses", f"may delegate to {name}")


def _bounds(before: AgentRole, after: AgentRole) -> Iterator[Difference]:
    for field, words, show in _BOUNDS:
        old, new = getattr(before.spec.bounds, field), getattr(after.spec.bounds, field)
        if old != new:
            yield Difference("gains" if new > old else "loses", f"{words} from {show(old)} to {show(new)}")
    old_cost, new_cost = before.spec.bounds.cost, after.spec.bounds.cost
    if old_cost != new_cost:
        kind: Kind = "changes"
        if old_cost.currency == new_cost.currency:
            kind = "gains" if new_cost.amount > old_cost.amount else "loses"
        yield Difference(kind, f"cost from {old_cost} to {new_cost}")


def _autonomy(before: AgentRole, after: AgentRole) -> Iterator[Difference]:
    old, new = before.spec.autonomy, after.spec.autonomy
    if old == new:
        return
    if new is None:
        yield Difference("gains", "its autonomy follows no error budget any more")
    elif old is None:
        yield Difference("loses", f"autonomy: {describe_autonomy(new)}")
    else:
        yield Difference("changes", f"autonomy: {describe_autonomy(new)}; before: {describe_autonomy(old)}")


def _data(before: AgentRole, after: AgentRole) -> Iterator[Difference]:
    old, new = before.spec.data, after.spec.data
    kind: Kind
    if old.clearance != new.clearance:
        kind = "gains" if new.clearance > old.clearance else "loses"
        yield Difference(kind, f"clearance from {old.clearance.label} to {new.clearance.label}")
    if old.extraction != new.extraction:
        kind = "gains" if new.extraction else "loses"
        yield Difference(kind, "its output counts as trusted whatever it read (constrained extraction)")
    for category in sorted(set(new.categories) - set(old.categories)):
        yield Difference("gains", f"may see {category}")
    for category in sorted(set(old.categories) - set(new.categories)):
        yield Difference("loses", f"may see {category}")
    if old.uncleared != new.uncleared:
        yield Difference("changes", f"data that it may not see: {new.uncleared} instead of {old.uncleared}")
    for kind, phrase in diff_dlp(old.dlp, new.dlp):
        yield Difference(kind, f"in arguments {phrase}")


def _deprecation(before: AgentRole, after: AgentRole) -> Iterator[Difference]:
    old, new = before.spec.deprecated, after.spec.deprecated
    if new is not None and old != new:
        yield Difference("changes", f"{describe_deprecation(new)[0].lower()}{describe_deprecation(new)[1:]}")
    elif old != new:
        yield Difference("changes", "is no longer deprecated")


def _words(before: AgentRole, after: AgentRole) -> Iterator[Difference]:
    old, new = before.to_manifest()["spec"], after.to_manifest()["spec"]
    for field in ("version", "purpose", "model", "instructions", "input", "output", "onBound"):
        if canonical_json(old[field]) != canonical_json(new[field]):
            small = isinstance(old[field], str) and len(old[field]) <= 60 and len(new[field]) <= 60
            yield Difference("changes", f"{field}: {old[field]} to {new[field]}" if small else field)
