"""`amas audit query` (or `list`): audit events of all runs, by what they are about and when they happened."""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .guard import guarded
from .options import As, Server

if TYPE_CHECKING:
    from datetime import datetime

    from amas_cli.gateway.api import GatewayApi

MAX_PAGE = 1000


class Form(StrEnum):
    """How entries are printed. `jsonl` prints them as they come, one a line."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class Effect(StrEnum):
    """What a decision can be."""

    ALLOW = "allow"
    DENY = "deny"
    ESCALATE = "escalate"


def _only(name: str, metavar: str, text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text)


@guarded
async def query(
    run: Annotated[str, _only("--run", "RUN", "Only of this run.")] = "",
    trace: Annotated[str, _only("--trace", "ID", "Only of this trace.")] = "",
    of: Annotated[str, _only("--principal", "NAME", "Only done for this principal.")] = "",
    role: Annotated[str, _only("--role", "ROLE", "Only by this agent role.")] = "",
    tool: Annotated[str, _only("--tool", "SERVER/TOOL", "Only about this tool.")] = "",
    decision: Annotated[Effect | None, typer.Option("--decision", help="Only decisions of this effect.")] = None,
    confidentiality: Annotated[str, _only("--confidentiality", "LEVEL", "Only labelled at least so.")] = "",
    category: Annotated[list[str] | None, _only("--category", "NAME", "Only labelled so; may be repeated.")] = None,
    integrity: Annotated[str, _only("--integrity", "NAME", "Only labelled so: trusted or untrusted.")] = "",
    source: Annotated[str, _only("--source", "SERVICE", "Only from this service.")] = "",
    kind: Annotated[str, _only("--type", "TYPE", "Only of this type; `dev.amas.` may be left out.")] = "",
    since: Annotated[str, _only("--since", "TIME", "From this RFC 3339 time on, or so long ago: 15m, 1h, 7d.")] = "",
    until: Annotated[str, _only("--until", "TIME", "Before this time, or before so long ago.")] = "",
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_PAGE, help="At most so many.")] = 100,
    everything: Annotated[bool, typer.Option("--all", help="All of them, however many, streamed.")] = False,
    after: Annotated[str, _only("--after", "TOKEN", "Go on after what was shown.")] = "",
    principal: As = "",
    server: Server = "",
    output: Annotated[Form, typer.Option("--output", "-o", help="How to print the result.")] = Form.TABLE,
) -> int:
    """Find audit events; all that is given must hold. Reading is itself recorded."""
    from datetime import UTC, datetime

    from .session import gateway

    now = datetime.now(UTC)
    given = (
        ("runId", run),
        ("traceId", trace),
        ("principal", of),
        ("role", role),
        ("tool", tool),
        ("decision", decision.value if decision else ""),
        ("confidentiality", confidentiality),
        *(("category", name) for name in category or ()),
        ("integrity", integrity),
        ("source", source),
        ("type", f"dev.amas.{kind.removeprefix('dev.amas.')}" if kind else ""),
        ("since", moment("--since", since, now)),
        ("until", moment("--until", until, now)),
        ("order", "newest" if newest else ""),
    )
    filters = [(name, value) for name, value in given if value]
    async with gateway(server, principal) as api:
        await _show(_pages(api, filters, after, None if everything else limit), output, now)
    return ExitCode.OK


async def _pages(
    api: "GatewayApi", filters: list[tuple[str, str]], after: str, limit: int | None
) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
    """Pages up to the limit, or all, each with the token to go on with."""
    if limit is None:
        async for page in api.audit_stream(filters, after):
            yield page.entries, page.next_token
        return
    while limit > 0:
        entries, after = await api.audit_page(filters, after, limit)
        limit -= len(entries)
        yield entries, after
        if not after:
            return


async def _show(pages: AsyncIterator[tuple[list[dict[str, Any]], str]], form: Form, now: "datetime") -> None:
    import json

    from amas_cli.output import tables
    from amas_cli.output.documents import Output, document
    from amas_cli.output.terminal import line, note, table

    kept: list[dict[str, Any]] = []
    token = ""
    async for entries, next_token in pages:
        token = next_token
        if form is Form.JSONL:
            for entry in entries:
                line(json.dumps(entry))
        else:
            kept += entries
    if form is Form.JSON:
        document(kept, Output.JSON)
    elif form is Form.TABLE and kept:
        table(*tables.rows(tables.AUDIT, kept, now))
    elif form is Form.TABLE:
        line("no audit events")
    if token:
        note(f"next: there are more, go on with the same query and `--after {token}`, or with `--all`")


def moment(option: str, text: str, now: "datetime") -> str:
    """An RFC 3339 time in UTC of an option's text: a time, or a duration before now. CliError for anything else."""
    import re
    from datetime import UTC, timedelta

    from amas_cli.output.quantities import parse_time

    if not text:
        return ""
    if span := re.fullmatch(r"([0-9]{1,6})([smhdw])", text):
        units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
        time = now - timedelta(**{units[span[2]]: int(span[1])})
    else:
        parsed = parse_time(text)
        if parsed is None:
            raise CliError(
                f"{option} {text!r} is no time.",
                next_step="say how long ago, such as 1h, or a time such as 2026-01-31T12:00:00Z",
                exit_code=ExitCode.USAGE,
            )
        time = parsed
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
