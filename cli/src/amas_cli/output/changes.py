"""Shows what an apply did or would do: kubectl-like lines, problems with their place, and differences as YAML."""

import difflib
from collections.abc import Sequence
from typing import Any

from .documents import yaml_text
from .printable import printable

CHANGE_WORDS = {"created": "created", "configured": "configured", "unchanged": "unchanged", "deleted": "deleted"}


def change_line(change: dict[str, Any], *, dry_run: bool = False) -> str:
    """`agentrole/historian created`."""
    word = CHANGE_WORDS.get(str(change.get("change")), str(change.get("change")))
    suffix = " (dry run)" if dry_run else ""
    return f"{str(change.get('kind', '')).lower()}/{change.get('name', '')} {word}{suffix}"


def problem_line(problem: dict[str, Any]) -> str:
    """`file:line:column: field: message`, which editors and CI systems recognise."""
    place = ":".join(str(problem.get(name) or "") for name in ("file", "line", "column")).rstrip(":")
    parts = (place, str(problem.get("field") or ""), str(problem.get("message") or ""))
    return printable(": ".join(part for part in parts if part))


def difference(change: dict[str, Any]) -> list[str]:
    """A unified diff of the two manifests, without the lines that say which files they are."""
    before, after = (_yaml(change.get(name)) for name in ("before", "after"))
    lines = list(difflib.unified_diff(before, after, lineterm="", n=2))
    return [printable(line) for line in lines[2:]]


def role_differences(change: dict[str, Any]) -> list[str]:
    """What a role gains or loses, in words: tools, approvals, delegates, clearance."""
    if change.get("kind") != "AgentRole":
        return []
    before, after = (_spec(change.get(name)) for name in ("before", "after"))
    old, new = _grants(before), _grants(after)
    lines = [f"gains {name}" for name in sorted(new.keys() - old.keys())]
    lines += [f"loses {name}" for name in sorted(old.keys() - new.keys())]
    for name in sorted(old.keys() & new.keys()):
        if old[name].get("approval") and not new[name].get("approval"):
            lines.append(f"no longer needs an approval for {name}")
        elif new[name].get("approval") and not old[name].get("approval"):
            lines.append(f"needs an approval for {name} now")
    gained = set(after.get("delegates") or ()) - set(before.get("delegates") or ())
    lost = set(before.get("delegates") or ()) - set(after.get("delegates") or ())
    lines += [f"may delegate to {name} now" for name in sorted(gained)]
    lines += [f"may no longer delegate to {name}" for name in sorted(lost)]
    levels = [(spec.get("data") or {}).get("clearance") for spec in (before, after)]
    if before and after and levels[0] != levels[1]:
        lines.append(f"is cleared for {levels[1]} data instead of {levels[0]}")
    return [printable(line) for line in lines]


def _grants(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {grant["name"]: grant for grant in spec.get("tools") or () if isinstance(grant, dict)}


def _spec(manifest: Any) -> dict[str, Any]:
    return dict(manifest.get("spec") or {}) if isinstance(manifest, dict) else {}


def _yaml(manifest: Any) -> Sequence[str]:
    return yaml_text(manifest).splitlines() if manifest else []
