"""The rows of `amas get` and the blocks of `amas describe`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from .approval import agreed, asked_groups
from .documents import yaml_text
from .printable import printable, shortened
from .quantities import age, money, out_of, tokens, until

TEXT_LIMIT = 60
Row = dict[str, Any]

_Columns = Sequence[tuple[str, Callable[[Row, datetime], str]]]

RUNS: _Columns = (
    ("ID", lambda run, _: str(run.get("id", ""))),
    ("ORCHESTRATION", lambda run, _: str(run.get("orchestration", ""))),
    ("STATE", lambda run, _: str(run.get("state", ""))),
    ("REQUESTER", lambda run, _: str(run.get("requester", ""))),
    ("TOKENS", lambda run, _: tokens(run.get("usage"))),
    ("COST", lambda run, _: money((run.get("usage") or {}).get("cost"))),
    ("AGE", lambda run, now: age(str(run.get("created_at", "")), now)),
)
APPROVALS: _Columns = (
    ("ID", lambda item, _: str(item.get("id", ""))),
    ("STATE", lambda item, _: str(item.get("state", ""))),
    ("TOOL", lambda item, _: str(item.get("tool", ""))),
    ("REQUESTER", lambda item, _: str(item.get("requester", ""))),
    ("ASKED OF", lambda item, _: asked_groups(item)),
    ("AGREED", lambda item, _: agreed(item)),
    ("EXPIRES", lambda item, now: _expiry(item, now)),
    ("STEP", lambda item, _: str(item.get("step", ""))),
)
RESOURCES: _Columns = (
    ("KIND", lambda item, _: str(item.get("kind", ""))),
    ("NAME", lambda item, _: str(item.get("name", ""))),
    ("VERSION", lambda item, _: str(item.get("version", ""))),
    ("DIGEST", lambda item, _: str(item.get("digest", ""))[:19]),
    ("NOTE", lambda item, now: _deprecation(item, now)),
)
AUDIT: _Columns = (
    ("INDEX", lambda item, _: str(item.get("index", 0))),
    ("TIME", lambda item, _: str(_event(item).get("time", ""))[:23]),
    ("TYPE", lambda item, _: str(_event(item).get("type", "")).removeprefix("dev.amas.")),
    ("STEP", lambda item, _: str(_event(item).get("step", ""))),
    ("PRINCIPAL", lambda item, _: str(_event(item).get("principal", ""))),
    ("SOURCE", lambda item, _: str(item.get("source", ""))),
)

REVOCATIONS: _Columns = (
    ("KIND", lambda item, _: str(item.get("kind", ""))),
    ("NAME", lambda item, _: str(item.get("name", ""))),
    ("BY", lambda item, _: str(item.get("revoked_by", ""))),
    ("AGE", lambda item, now: age(str(item.get("revoked_at", "")), now)),
    ("REASON", lambda item, _: str(item.get("reason", ""))),
    ("LIFTED BY", lambda item, _: str(item.get("lifted_by", ""))),
)
USAGE: _Columns = (
    ("RUN", lambda row, _: str(row.get("run_id", ""))),
    ("ROLE", lambda row, _: str(row.get("role", ""))),
    ("ROUTE", lambda row, _: str(row.get("route", ""))),
    ("MODEL", lambda row, _: f"{row.get('provider', '')}/{row.get('model', '')}"),
    ("CALLS", lambda row, _: str(row.get("calls", 0))),
    ("CACHED", lambda row, _: str(row.get("cache_hits", 0))),
    ("TOKENS", lambda row, _: tokens(row.get("usage"))),
    ("COST", lambda row, _: money((row.get("usage") or {}).get("cost"))),
    ("SAVED", lambda row, _: money(row.get("saved"))),
)
BUDGETS: _Columns = (
    ("NAME", lambda state, _: str(state.get("name", ""))),
    ("FOR", lambda state, _: str(state.get("subject", ""))),
    ("WINDOW", lambda state, _: str(state.get("window", ""))),
    ("COST", lambda state, _: out_of(money(state.get("cost_used")), money(state.get("cost_limit")))),
    ("HELD", lambda state, _: _held(state)),
    ("TOKENS", lambda state, _: out_of(str(state.get("tokens_used", 0)), _limit(state.get("token_limit")))),
    ("RENEWS", lambda state, now: until(str(state.get("renews_at", "")), now)),
)


def rows(columns: _Columns, items: Sequence[Row], now: datetime) -> tuple[list[str], list[list[str]]]:
    """Headers and cells, each cell one printable line."""
    headers = [name for name, _ in columns]
    return headers, [[shortened(cell(item, now), TEXT_LIMIT) for _, cell in columns] for item in items]


def block(item: Row) -> str:
    """Everything about one thing, as YAML that is safe to show."""
    known = {key: value for key, value in item.items() if value not in (None, "", [], {})}
    return printable(yaml_text(known), multiline=True)


def _deprecation(resource: Row, now: datetime) -> str:
    """Whether it is deprecated, and until when it can be used; nothing for most."""
    manifest = resource.get("manifest")
    spec = manifest.get("spec") if isinstance(manifest, dict) else None
    deprecated = spec.get("deprecated") if isinstance(spec, dict) else None
    if not isinstance(deprecated, dict):
        return ""
    removal = str(deprecated.get("removal") or "")
    if not removal:
        return "deprecated"
    # Dates in this form sort as text.
    return f"removed {removal}" if removal <= now.date().isoformat() else f"deprecated, removed {removal}"


def _limit(tokens_limit: object) -> str:
    """Nothing where there is no limit: 64-bit integers come as strings, so that none is `"0"`."""
    text = str(tokens_limit or "")
    return "" if text == "0" else text


def _expiry(approval: Row, now: datetime) -> str:
    """Only of what waits: nobody looks for the expiry of what is decided."""
    return until(str(approval.get("expires_at", "")), now) if approval.get("state") == "pending" else ""


def _held(state: Row) -> str:
    """Money where the budget counts it, else tokens."""
    cost, held = money(state.get("cost_reserved")), str(state.get("tokens_reserved") or "0")
    return cost or ("" if held == "0" else f"{held} tokens")


def _event(entry: Row) -> Row:
    """An audit entry has its event inside, or is one itself."""
    event = entry.get("event")
    return event if isinstance(event, dict) else entry
