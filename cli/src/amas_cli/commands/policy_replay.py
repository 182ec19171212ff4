"""`amas policy replay`: what a candidate would have decided otherwise, which a change of policies can be gated on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server

if TYPE_CHECKING:
    from amas_cli.policy.recorded import Recorded
    from amas_cli.policy.replaying import Replayed


@guarded
async def replay(
    exports: Annotated[list[Path] | None, typer.Option("--from", metavar="EXPORT", help="Exports of audit.")] = None,
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="The decisions of a run, from the gateway.")] = "",
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="From this RFC 3339 time on.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Before this RFC 3339 time.")] = "",
    folder: Annotated[Path, typer.Option("--policies", metavar="DIR", help="The candidate.")] = Path("policies"),
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="Verify the exports with this key first.")
    ] = None,
    allow_changes: Annotated[bool, typer.Option("--allow-changes", help="Changes alone are no failure.")] = False,
    max_new_approvals: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Fail if people would have to give more approvals than N.")
    ] = None,
    max_stalled_runs: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Fail if more runs than N would have stalled.")
    ] = None,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Put recorded decisions to a candidate and report what would change.

    Exit code 1 if anything would (unless --allow-changes), if a limit is passed, or if nothing could be replayed. An
    input recorded before it had a field is put without the field: the answer is what the candidate says about it.
    Checks in the code stand beside every policy and are not replayed.
    """
    from amas_cli.output.documents import document
    from amas_cli.output.policy import replayed
    from amas_cli.output.terminal import line
    from amas_cli.policy.opa import OpaRefusedError
    from amas_cli.policy.replaying import replay as replay_decisions
    from amas_cli.policy.sources import Sources

    sources = Sources.of(folder)
    if exports and (run or since or until):
        raise CliError("Name --from, or --run and times, not both.", exit_code=ExitCode.USAGE)
    recorded = _of_exports(exports, public_key) if exports else await _of_audit(run, since, until, server, principal)
    if not recorded:
        raise CliError("There is no recorded decision to replay.", exit_code=ExitCode.NOT_FOUND)
    try:
        result = replay_decisions(sources, recorded)
    except OpaRefusedError as error:
        raise error.as_cli_error(f"The policies in {folder} do not compile.") from error
    failures = failed(result, allow_changes, max_new_approvals, max_stalled_runs)
    if output is not Output.TABLE:
        document({**result.to_dict(), "failures": failures}, output)
    else:
        for text, style in replayed(result, failures):
            line(text, style)
    return ExitCode.FAILED if failures else ExitCode.OK


def failed(
    result: "Replayed", allow_changes: bool, max_new_approvals: int | None, max_stalled_runs: int | None
) -> list[str]:
    """Why the command fails: sentences, none if it does not."""
    runs, failures = result.runs(), []
    if not result.compared:
        failures.append("nothing could be replayed")
    if result.changed and not allow_changes:
        failures.append(f"{len(result.changed)} decisions would change")
    approvals, stalled = sum(run.new_approvals for run in runs), sum(run.stalled for run in runs)
    if max_new_approvals is not None and approvals > max_new_approvals:
        failures.append(f"people would have to give {approvals} more approvals, and {max_new_approvals} is the limit")
    if max_stalled_runs is not None and stalled > max_stalled_runs:
        failures.append(f"{stalled} runs would have stalled, and {max_stalled_runs} is the limit")
    return failures


def _of_exports(exports: list[Path], public_key: Path | None) -> "list[Recorded]":
    from amas_cli.audit_trail import Verdict
    from amas_cli.output.terminal import note

    from .audit import verify_file
    from .policy_inputs import from_exports

    for path in exports if public_key else ():
        report = verify_file(path, public_key or Path())
        if report.verdict is Verdict.FAILED:
            raise CliError(f"{path}: {report.summary()}.")
    if public_key is None:
        note("the exports are not verified: name a key with --public-key")
    return from_exports(exports)


async def _of_audit(run: str, since: str, until: str, server: str, principal: str) -> "list[Recorded]":
    from .policy_inputs import from_audit
    from .session import gateway

    if not (run or since or until):
        raise CliError("Name what to replay: --from, --run, --since or --until.", exit_code=ExitCode.USAGE)
    async with gateway(server, principal) as api:
        return await from_audit(api, run, since, until)
