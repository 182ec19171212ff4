"""`amas revoke`, `restore` and `revocations`: take something out of use at once, give it back, see what is out."""

import enum
from datetime import UTC, datetime
from typing import Annotated

import typer

from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server


class Revocable(enum.StrEnum):
    """What can be revoked."""

    ROLE = "role"
    TOOL = "tool"
    PRINCIPAL = "principal"
    BUNDLE = "bundle"


Kind = Annotated[Revocable, typer.Argument(help="What it is.")]
Name = Annotated[
    str,
    typer.Argument(help="Its name: a role, `server/tool` or a server for all its tools, a token's subject, a digest."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it goes on the record.")]


@guarded
async def revoke(
    kind: Kind,
    name: Name,
    reason: Reason = "",
    force: Annotated[bool, typer.Option("--force", help="Also what nothing in use has, or yourself.")] = False,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Stop every use at once, also of runs under way, until it is restored."""
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line, note

    from .session import gateway

    if output is Output.TABLE:
        note(f"revoking {kind.value} {name}: on the record, then everywhere")
    async with gateway(server, principal) as api:
        made, existed = await api.revoke(kind.value, name, reason=reason, force=force)
    if output is not Output.TABLE:
        document(made, output)
        return ExitCode.OK
    line(f"{kind.value}/{name} {'was revoked already' if existed else 'revoked'}")
    if kind is Revocable.BUNDLE:
        note("runs under it end; apply resources that make another bundle to start new ones")
    return ExitCode.OK


@guarded
async def restore(
    kind: Kind,
    name: Name,
    reason: Reason = "",
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Lift a revocation. Runs that it ended stay ended."""
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line

    from .session import gateway

    async with gateway(server, principal) as api:
        lifted = await api.restore(kind.value, name, reason=reason)
    if output is not Output.TABLE:
        document(lifted, output)
    else:
        line(f"{kind.value}/{name} restored")
    return ExitCode.OK


@guarded
async def revocations(
    lifted_too: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Show what is revoked, by whom, when and why."""
    from amas_cli.output.documents import document
    from amas_cli.output.tables import REVOCATIONS, rows
    from amas_cli.output.terminal import line, table

    from .session import gateway

    async with gateway(server, principal) as api:
        found = await api.revocations(lifted_too=lifted_too)
    if output is not Output.TABLE:
        document(found, output)
    elif found:
        table(*rows(REVOCATIONS, found, datetime.now(UTC)))
    else:
        line("nothing is revoked")
    return ExitCode.OK
