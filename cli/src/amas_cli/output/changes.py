"""Shows what an apply did or would do: kubectl-like lines, problems with their place, and differences as YAML."""

import difflib
from collections.abc import Sequence
from typing import Any, TypeVar

from .documents import yaml_text
from .printable import printable

_Kind = TypeVar("_Kind")


def change_line(change: dict[str, Any], *, dry_run: bool = False) -> str:
    """`agentrole/historian created`."""
    word = change.get("change", "")
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


def gained_and_lost(change: dict[str, Any]) -> list[str]:
    """What a role, or those whose calls count under a quota, gain or lose, in words."""
    from amas_governance.diff import diff_quota, diff_roles
    from amas_governance.resources import AgentRole, Quota

    before, after = (_resource(change.get(name)) for name in ("before", "after"))
    if change.get("kind") == AgentRole.KIND:
        differences = diff_roles(_typed(AgentRole, before), _typed(AgentRole, after))
    elif change.get("kind") == Quota.KIND:
        differences = diff_quota(_typed(Quota, before), _typed(Quota, after))
    else:
        return []
    return [printable(str(difference)) for difference in differences]


def _resource(manifest: Any) -> Any:
    from amas_governance.resources import parse_manifest

    return parse_manifest(manifest) if isinstance(manifest, dict) else None


def _typed(kind: type[_Kind], resource: Any) -> _Kind | None:
    return resource if isinstance(resource, kind) else None


def _yaml(manifest: Any) -> Sequence[str]:
    return yaml_text(manifest).splitlines() if manifest else []
