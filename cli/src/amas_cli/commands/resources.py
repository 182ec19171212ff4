"""`amas apply`, `diff`, `delete`: change the resources, or say what would change."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server, Yes

if TYPE_CHECKING:
    from amas_cli.gateway.api import GatewayApi

Files = Annotated[
    list[str], typer.Option("--filename", "-f", metavar="FILE|DIR|-", help="Files, folders, or - for standard input.")
]


@guarded
async def apply(
    filename: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Apply resources from files: all of them, or none if one is wrong."""
    answer = await _send(filename, dry_run=dry_run, principal=principal, server=server)
    _show(answer, output, dry_run=dry_run)
    return ExitCode.OK


@guarded
async def diff(filename: Files, principal: As = "", server: Server = "", output: OutputFormat = Output.TABLE) -> int:
    """Show what an apply would change, and what each role would gain or lose. Exit code 1 if anything."""
    from amas_cli.output.changes import change_line, difference, gained_and_lost
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line

    answer = await _send(filename, dry_run=True, principal=principal, server=server)
    changes = [change for change in answer.get("changes", []) if change.get("change") != "unchanged"]
    if output is not Output.TABLE:
        document(changes, output)
        return ExitCode.FAILED if changes else ExitCode.OK
    for change in changes:
        line(change_line(change), "strong")
        for words in gained_and_lost(change):
            line(f"  {words}", "wait")
        for text in difference(change):
            line(f"  {text}", {"+": "good", "-": "bad"}.get(text[:1], ""))
    if not changes:
        line("nothing would change")
    return ExitCode.FAILED if changes else ExitCode.OK


@guarded
async def delete(
    kind: Annotated[str, typer.Argument(help="Kind of the resource, such as role.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    yes: Yes = False,
    principal: As = "",
    server: Server = "",
) -> int:
    """Delete a resource. Runs that started under it go on under their own bundle."""
    from amas_cli.kinds import parse_kind, shown
    from amas_cli.output.prompt import confirm, interactive

    from .session import gateway

    full = parse_kind(kind)
    if not yes:
        if not interactive():
            raise CliError("Deleting needs a yes.", next_step="add --yes", exit_code=ExitCode.USAGE)
        if not await confirm(f"Delete {shown(full)}/{name}?"):
            return ExitCode.FAILED
    async with gateway(server, principal) as api:
        answer = await api.apply([], [(full, name)])
    _show(answer, Output.TABLE, dry_run=False)
    return ExitCode.OK


async def _send(names: list[str], *, dry_run: bool, principal: str, server: str) -> dict[str, Any]:
    from amas_cli.resource_files import read_resource_files

    from .session import gateway

    files = read_resource_files(names)
    async with gateway(server, principal) as api:
        return await applied(api, files, dry_run=dry_run)


async def applied(api: "GatewayApi", files: list[tuple[str, str]], *, dry_run: bool = False) -> dict[str, Any]:
    """Apply; prints each warning with its place, and each problem before it raises."""
    from amas_cli.gateway.problems import ResourcesRefusedError
    from amas_cli.output.changes import problem_line
    from amas_cli.output.terminal import note

    try:
        answer = await api.apply(files, dry_run=dry_run)
        for warning in answer.get("warnings") or []:
            note(f"warning: {problem_line(warning)}")
        return answer
    except ResourcesRefusedError as error:
        for problem in error.problems:
            note(problem_line(problem))
        raise


def _show(answer: dict[str, Any], output: Output, *, dry_run: bool) -> None:
    from amas_cli.output.changes import change_line
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line

    if output is not Output.TABLE:
        document(answer, output)
        return
    for change in answer.get("changes") or []:
        line(change_line(change, dry_run=dry_run), "dim" if change.get("change") == "unchanged" else "")
