"""Shows what an apply did or would do: kubectl-like lines, problems with their place, and differences as YAML."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from .documents import yaml_text
from .printable import printable

if TYPE_CHECKING:
    from amas_governance.resources import Orchestration

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
    """What a role, a tool server, those under a quota or an orchestration's callers gain or lose, in words."""
    from amas_governance.diff import diff_quota, diff_roles
    from amas_governance.diff_tool_servers import diff_tool_servers
    from amas_governance.resources import AgentRole, Orchestration, Quota, ToolServer

    before, after = (_resource(change.get(name)) for name in ("before", "after"))
    differences: Iterable[object] = ()
    kind = change.get("kind")
    if kind == AgentRole.KIND:
        differences = diff_roles(_typed(AgentRole, before), _typed(AgentRole, after))
    elif kind == ToolServer.KIND:
        differences = diff_tool_servers(_typed(ToolServer, before), _typed(ToolServer, after))
    elif kind == Quota.KIND:
        differences = diff_quota(_typed(Quota, before), _typed(Quota, after))
    elif kind == Orchestration.KIND:
        differences = _answers(_typed(Orchestration, before), _typed(Orchestration, after))
    return [printable(str(difference)) for difference in differences]


def _answers(before: "Orchestration | None", after: "Orchestration | None") -> Iterator[str]:
    from amas_governance.describe_dlp import diff_dlp
    from amas_governance.resources import DlpRules

    unsaid = "what holds where nothing is said"
    old, new = (one.spec.answers if one is not None else DlpRules() for one in (before, after))
    yield from (f"{kind}: to callers {phrase}" for kind, phrase in diff_dlp(old, new, unsaid))


def _resource(manifest: Any) -> Any:
    from amas_governance.resources import parse_manifest

    return parse_manifest(manifest) if isinstance(manifest, dict) else None


def _typed(kind: type[_Kind], resource: Any) -> _Kind | None:
    return resource if isinstance(resource, kind) else None


def _yaml(manifest: Any) -> Sequence[str]:
    return yaml_text(manifest).splitlines() if manifest else []
