"""Shows what an apply did or would do: kubectl-like lines, problems with their place, and differences as YAML."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .documents import yaml_text
from .printable import printable

if TYPE_CHECKING:
    from amas_governance.resources import AgentRole


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


def role_differences(change: dict[str, Any]) -> list[str]:
    """What a role gains or loses, in words."""
    if change.get("kind") != "AgentRole":
        return []
    from amas_governance.diff import diff_roles

    before, after = (_role(change.get(name)) for name in ("before", "after"))
    return [printable(str(difference)) for difference in diff_roles(before, after)]


def _role(manifest: Any) -> "AgentRole | None":
    from amas_governance.resources import AgentRole, parse_manifest

    resource = parse_manifest(manifest) if isinstance(manifest, dict) else None
    return resource if isinstance(resource, AgentRole) else None


def _yaml(manifest: Any) -> Sequence[str]:
    return yaml_text(manifest).splitlines() if manifest else []
