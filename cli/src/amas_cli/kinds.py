"""Names under which kinds can be typed, as kubectl has them: `role`, `roles`, `AgentRole` are the same."""

from .errors import CliError
from .exit_codes import ExitCode

ALIASES: dict[str, tuple[str, ...]] = {
    "AgentRole": ("agentrole", "agentroles", "role", "roles", "ar"),
    "Orchestration": ("orchestration", "orchestrations", "orch"),
    "ToolServer": ("toolserver", "toolservers", "tool", "tools", "ts"),
    "ModelProvider": ("modelprovider", "modelproviders", "provider", "providers", "mp"),
    "ModelRoute": ("modelroute", "modelroutes", "route", "routes", "mr"),
    "Budget": ("budget", "budgets"),
    "Quota": ("quota", "quotas"),
}
_BY_ALIAS = {alias: kind for kind, aliases in ALIASES.items() for alias in aliases}
RUNS = frozenset({"run", "runs"})
APPROVALS = frozenset({"approval", "approvals"})
RESOURCES = frozenset({"resource", "resources", "all"})


def parse_kind(text: str) -> str:
    """The kind that a user means; raises CliError naming what there is."""
    kind = _BY_ALIAS.get(text.lower())
    if kind is None:
        raise CliError(
            f"There is no kind {text!r}.",
            next_step="use one of: runs, approvals, resources, " + ", ".join(a[0] for a in ALIASES.values()),
            exit_code=ExitCode.USAGE,
        )
    return kind


def shown(kind: str) -> str:
    """How a kind stands in output: `agentrole`."""
    return kind.lower()
