"""Quotas in plain English, and what one version of a quota gives or takes against another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .describe_dlp import Kind
from .quantities import Rate, format_duration, format_size
from .resources import AgentRole, Quota, Resource

_WINDOWS = {"run": "in a run", "minute": "a minute", "hour": "an hour", "day": "a day"}
_COUNTED: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("calls", lambda calls: f"{calls:,} call{'' if calls == 1 else 's'}"),
    ("bytes_out", lambda size: f"{format_size(size)} of arguments"),
    ("bytes_in", lambda size: f"{format_size(size)} of answers"),
    ("wall_clock", lambda seconds: f"{format_duration(seconds)} in tool calls"),
)
_STANDING: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("rate", lambda rate: f"calls at a rate of {rate}"),
    ("concurrency", lambda calls: f"{calls:,} call{'' if calls == 1 else 's'} at once"),
)

_NO_BOUND = {
    "calls": "any number of calls",
    "bytes_out": "arguments of any size",
    "bytes_in": "answers of any size",
    "wall_clock": "any time in tool calls",
    "rate": "any rate",
    "concurrency": "any number at once",
}


def describe_quota(quota: Quota) -> str:
    """Whose calls, and at most how much of them, in one phrase."""
    return f"{_whose(quota)}: at most {', '.join(_amounts(quota))} (quota {quota.metadata.name})"


def quotas_of(role: AgentRole, resources: Iterable[Resource]) -> list[Quota]:
    """The quotas that calls of the role count under, by name; those of whoever delegates to it come on top."""
    found = [one for one in resources if isinstance(one, Quota) and _touches(one, role)]
    return sorted(found, key=lambda quota: quota.metadata.name)


def diff_quotas(before: Quota | None, after: Quota | None) -> Iterator[tuple[Kind, str]]:
    """What those whose calls count gain or lose; None stands for a quota that does not exist."""
    if before is None or after is None:
        if after is not None:
            yield "loses", describe_quota(after)
        elif before is not None:
            yield "gains", f"no more: {describe_quota(before)}"
        return
    if _scope(before) != _scope(after):
        yield "changes", f"{describe_quota(after)}; before: {describe_quota(before)}"
        return
    for name, words in (*_COUNTED, *_STANDING):
        old, new = getattr(before.spec, name), getattr(after.spec, name)
        if old == new:
            continue
        more = new is None or (old is not None and _size(new) > _size(old))
        was, now = (_NO_BOUND[name] if amount is None else f"at most {words(amount)}" for amount in (old, new))
        text = f"{_whose(after)}: {now}{_in(after, name)}; before: {was} (quota {after.metadata.name})"
        yield "gains" if more else "loses", text


def _in(quota: Quota, name: str) -> str:
    counted = any(name == one for one, _ in _COUNTED) and quota.spec.window is not None
    return f" {_WINDOWS[str(quota.spec.window)]}" if counted else ""


def _amounts(quota: Quota) -> list[str]:
    spec = quota.spec
    return [
        f"{words(getattr(spec, name))}{_in(quota, name)}"
        for name, words in (*_COUNTED, *_STANDING)
        if getattr(spec, name) is not None
    ]


def _whose(quota: Quota) -> str:
    subject, per = quota.spec.subject, quota.spec.per
    what = subject.tool or (f"any tool of {subject.server}" if subject.server else "any tool")
    whose = [f"role {subject.role}"] if subject.role else []
    whose += [f"tenant {subject.tenant}"] if subject.tenant else []
    by = f" by {' of '.join(whose)}" if whose else ""
    each = f", each {per} by itself" if per else ""
    return f"calls of {what}{by}{each}"


def _touches(quota: Quota, role: AgentRole) -> bool:
    tenant = quota.spec.subject.tenant or ""
    return any(quota.covers(tenant, (role.metadata.name,), grant.name) for grant in role.spec.tools)


def _scope(quota: Quota) -> tuple[object, ...]:
    return quota.spec.subject, quota.spec.per, quota.spec.window


def _size(amount: Any) -> float:
    """A number that grows with what is allowed."""
    return amount.count / amount.per if isinstance(amount, Rate) else float(amount)
