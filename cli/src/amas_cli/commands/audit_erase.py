"""`amas audit erase`: destroy what is on record of somebody. Proofs stay valid; it cannot be undone."""

from typing import Annotated

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server


@guarded
async def erase(
    subject: Annotated[str, typer.Option("--subject", metavar="NAME", help="Whose contents: a token's subject.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Erase the contents of somebody's events for good. That it happened goes on the record, the name does not."""
    from amas_cli.output.documents import document
    from amas_cli.output.printable import printable
    from amas_cli.output.prompt import confirm, interactive
    from amas_cli.output.terminal import line

    from .session import gateway

    async with gateway(server, principal) as api:
        if not dry_run and not yes:
            if not interactive():
                raise CliError(
                    "Erasing asks for a yes, and there is no terminal to ask at.",
                    next_step="look with --dry-run first, then say --yes",
                    exit_code=ExitCode.USAGE,
                )
            found = await api.erase_contents(subject, dry_run=True)
            if not await confirm(f"Erase {found.get('contents', 0)} contents of {printable(subject)} for good?"):
                raise CliError("Nothing was erased.", exit_code=ExitCode.FAILED)
        erased = await api.erase_contents(subject, dry_run=dry_run)
    if output is not Output.TABLE:
        document(erased, output)
        return ExitCode.OK
    contents, keys = erased.get("contents", 0), erased.get("keys", 0)
    if dry_run:
        line(f"{contents} contents under {keys} keys would be erased")
    else:
        line(f"{contents} contents under {keys} keys erased")
        for event in erased.get("event_ids") or erased.get("eventIds") or ():
            line(f"  on record as {printable(str(event))}")
    return ExitCode.OK
