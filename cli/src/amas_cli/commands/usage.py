"""`amas usage` and `amas budgets`: what model calls cost, and how much of each budget is left."""

from typing import Annotated

import typer

from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server


@guarded
async def usage(
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="Only calls of this run.")] = "",
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="From this RFC 3339 time on.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Before this RFC 3339 time.")] = "",
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Show what model calls used and cost, by run, role, route and model."""
    from datetime import UTC, datetime

    from amas_cli.output import tables
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line, table

    from .session import gateway

    async with gateway(server, principal) as api:
        rows = await api.usage(runId=run, since=since, until=until)
    if output is not Output.TABLE:
        document(rows, output)
    elif not rows:
        line("no model calls")
    else:
        table(*tables.rows(tables.USAGE, rows, datetime.now(UTC)))
    return ExitCode.OK


@guarded
async def budgets(
    name: Annotated[str, typer.Argument(help="Only this one.")] = "",
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Show what of each budget is used, what is held for calls under way, and when it renews."""
    from datetime import UTC, datetime

    from amas_cli.output import tables
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line, table

    from .session import gateway

    async with gateway(server, principal) as api:
        states = await api.budgets(name)
    if output is not Output.TABLE:
        document(states, output)
    elif not states:
        line("no budgets")
    else:
        table(*tables.rows(tables.BUDGETS, states, datetime.now(UTC)))
    return ExitCode.OK
