"""`amas audit show|export|verify` and the other commands about the record of a run, and its proof."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output
from amas_cli.output.printable import printable

from .audit_erase import erase
from .audit_lineage import lineage
from .audit_logs import (
    NO_DEMANDS,
    Archive,
    Authority,
    Certificate,
    CertificateKey,
    Demands,
    Log,
    Place,
    PublicKey,
    consistency,
    default_public_key,
    mirror,
    verify_log,
)
from .audit_query import query
from .audit_replay import replay, verifier
from .audit_subject import subject
from .guard import guarded
from .options import As, OutputFormat, Server

if TYPE_CHECKING:
    from amas_cli.audit_trail import Report

app = typer.Typer(help="The record of what happened, and its proof.", no_args_is_help=True)
app.command("query")(query)
app.command("list", hidden=True)(query)
app.command("replay")(replay)
app.command("lineage")(lineage)
app.command("verifier")(verifier)
app.command("subject")(subject)
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
    file: Annotated[
        Path | None, typer.Option("--output-file", "-o", metavar="FILE", help="Where to write the export.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Write a replay bundle: export, contracts and policies in one."),
    ] = None,
    principal: As = "",
    server: Server = "",
) -> int:
    """Write the audit trail of a run with its proofs to a file."""
    from amas_cli.output.terminal import line

    from .replay_bundles import save_replay_bundle
    from .session import gateway

    if (file is None) == (bundle is None):
        raise CliError("Name one of --output-file and --bundle.", exit_code=ExitCode.USAGE)
    target = file or bundle or Path()
    async with gateway(server, principal) as api:
        if bundle is None:
            size = await save_export(api.audit_export(run_id), target)
        else:
            size = await save_replay_bundle(api, run_id, target)
    line(f"{target} written, {size} bytes")
    line(f"next: `amas audit verify {target} --public-key .amas/audit.pub`")
    return ExitCode.OK


@app.command("verify")
@guarded
def verify(
    file: Annotated[Path | None, typer.Argument(help="An export, a replay bundle, or a folder of tiles.")] = None,
    log: Log = "",
    public_key: PublicKey = None,
    ca: Authority = None,
    cert: Certificate = None,
    cert_key: CertificateKey = None,
    archive: Archive = None,
    witness: Annotated[
        list[str] | None, typer.Option("--witness", metavar="KEY|FILE", help="Key of a witness (again for each).")
    ] = None,
    quorum: Annotated[int, typer.Option("--quorum", min=0, help="How many of them must have cosigned.")] = 0,
    last_seen: Annotated[
        Path | None,
        typer.Option(
            "--last-seen",
            metavar="FILE",
            help="Keeps the checkpoint, to notice a changed past (default for --log: in ~/.local/state).",
        ),
    ] = None,
    tree_only: Annotated[
        bool, typer.Option("--tree-only", help="Read hashes, no entries: needs no certificate.")
    ] = False,
    output: OutputFormat = Output.TABLE,
) -> int:
    """Check an export, a replay bundle, a folder of tiles or a live log (--log). Exit code 1 if anything is wrong."""
    if (file is None) == (not log):
        raise CliError(
            "Say what to verify: an export, a replay bundle, a folder of tiles, or --log URL.", exit_code=ExitCode.USAGE
        )
    keys = public_key or default_public_key()
    if log or (file and file.is_dir()):
        demands = Demands(tuple(witness or ()), quorum, last_seen, tree_only)
        return verify_log(Place(log or str(file), ca, cert, cert_key, archive), keys, demands, output)
    if last_seen or tree_only or archive:
        raise CliError("--last-seen, --tree-only and --archive are for logs.", exit_code=ExitCode.USAGE)
    return _verify_export(file or Path(), keys, Demands(tuple(witness or ()), quorum), output)


app.command("consistency")(consistency)
app.command("mirror")(mirror)
app.command("erase")(erase)


def _verify_export(file: Path, public_key: Path, demands: Demands, output: Output) -> int:
    from amas_cli.audit_trail import Verdict
    from amas_cli.audit_trail.replay_bundle import is_replay_bundle
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line

    from .replay_bundles import verify_replay_bundle

    if file.is_file() and is_replay_bundle(file):
        # By the verifier that `amas audit verifier` prints.
        return verify_replay_bundle(file, public_key, output, demands)
    report = verify_file(file, public_key, demands)
    good = report.verdict is Verdict.VERIFIED
    if output is not Output.TABLE:
        document(report.to_dict(), output)
    else:
        line(report.summary(), "good" if good else "bad")
        for finding in report.findings[1:]:
            line(f"  {printable(str(finding))}")
    return ExitCode.OK if good else ExitCode.FAILED


def verify_file(file: Path, public_key: Path, demands: Demands = NO_DEMANDS) -> "Report":
    """Verify an export; raises CliError for files that cannot be read. A bad export is a verdict."""
    from amas_cli.audit_trail import KeyRefusedError
    from amas_cli.audit_trail import verify as verify_export

    for path in (file, public_key):
        if not path.is_file():
            raise CliError(f"There is no file {path}.", exit_code=ExitCode.USAGE)
    try:
        return verify_export(file, public_key.read_text(), demands.witness_keys(), demands.quorum)
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
