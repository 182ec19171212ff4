"""`amas audit show|export|verify`: the record of a run, and its proof, which needs no server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output
from amas_cli.output.printable import printable

from .guard import guarded
from .options import As, OutputFormat, Server

if TYPE_CHECKING:
    from amas_cli.audit_trail import Report

app = typer.Typer(help="The record of what happened, and its proof.", no_args_is_help=True)
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


@app.command("show")
@guarded
async def show(run_id: RunId, principal: As = "", server: Server = "", output: OutputFormat = Output.TABLE) -> int:
    """List the audit events of a run. Reading is itself recorded."""
    from datetime import UTC, datetime

    from amas_cli.output import tables
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import table

    from .session import gateway

    async with gateway(server, principal) as api:
        entries = await api.audit_events(runId=run_id)
    if not entries:
        raise CliError(f"There is no audit event of run {run_id!r}.", exit_code=ExitCode.NOT_FOUND)
    if output is not Output.TABLE:
        document(entries, output)
    else:
        table(*tables.rows(tables.AUDIT, entries, datetime.now(UTC)))
    return ExitCode.OK


@app.command("export")
@guarded
async def export(
    run_id: RunId,
    file: Annotated[Path, typer.Option("--output-file", "-o", metavar="FILE", help="Where to write the export.")],
    principal: As = "",
    server: Server = "",
) -> int:
    """Write the audit trail of a run with its proofs to a file."""
    from amas_cli.output.terminal import line

    from .session import gateway

    async with gateway(server, principal) as api:
        size = await save_export(api.audit_export(run_id), file)
    line(f"{file} written, {size} bytes")
    line(f"next: `amas audit verify {file} --public-key .amas/audit.pub`")
    return ExitCode.OK


@app.command("verify")
@guarded
def verify(
    file: Annotated[Path, typer.Argument(help="An export.")],
    public_key: Annotated[
        Path | None,
        typer.Option("--public-key", metavar="FILE", help="The verifier key (default: the local platform's)."),
    ] = None,
    output: OutputFormat = Output.TABLE,
) -> int:
    """Check an export offline: every entry, the tree and the signature. Exit code 1 if anything is wrong."""
    from amas_cli.audit_trail import Verdict
    from amas_cli.local.home import Home
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line

    report = verify_file(file, public_key or Home.from_environment().audit_public_key)
    good = report.verdict is Verdict.VERIFIED
    if output is not Output.TABLE:
        document(report.to_dict(), output)
    else:
        line(report.summary(), "good" if good else "bad")
        for finding in report.findings[1:]:
            line(f"  {printable(str(finding))}")
    return ExitCode.OK if good else ExitCode.FAILED


def verify_file(file: Path, public_key: Path) -> "Report":
    """Verify an export; raises CliError for files that cannot be read. A bad export is a verdict."""
    from amas_cli.audit_trail import KeyRefusedError
    from amas_cli.audit_trail import verify as verify_export

    for path in (file, public_key):
        if not path.is_file():
            raise CliError(f"There is no file {path}.", exit_code=ExitCode.USAGE)
    try:
        return verify_export(file, public_key.read_text())
    except (KeyRefusedError, UnicodeDecodeError) as error:
        raise CliError(f"{public_key} holds no verifier key: {error}.", exit_code=ExitCode.USAGE) from error


async def save_export(pieces: AsyncIterator[bytes], file: Path) -> int:
    """Write the pieces to a file, whole or not at all; answers the size in bytes."""
    from amas_cli.audit_trail import new_export

    if not file.parent.is_dir():
        raise CliError(f"There is no folder {file.parent}.", exit_code=ExitCode.USAGE)
    size = 0
    with new_export(file) as target:
        async for piece in pieces:
            size += target.write(piece)
    return size
