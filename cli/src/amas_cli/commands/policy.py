"""`amas policy test|check|explain|replay`: what policies decide, and what a change of them would change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import OutputFormat
from .policy_replay import replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amas_cli.policy.findings import Finding

app = typer.Typer(help="Policies: test, check and explain them, and replay what they decided.", no_args_is_help=True)
app.command("replay")(replay)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the policies.")]


@app.command("test")
@guarded
def run_tests(folder: Folder = Path("policies"), output: OutputFormat = Output.TABLE) -> int:
    """Run everything that policies are tested by. Exit code 1 if anything fails.

    That is: format, OPA's strict check, OPA's tests with every line covered, and the cases beside each policy.
    """
    from amas_cli.policy.sources import Sources
    from amas_cli.policy.suite import run_suite

    tested = run_suite(Sources.of(folder))
    summary = f"{tested.tests} tests, {tested.cases} cases, every line covered"
    return _print(tested.findings, summary, tested.to_dict(), output)


@app.command("check")
@guarded
async def check(folder: Folder = Path("policies"), output: OutputFormat = Output.TABLE) -> int:
    """Check policies without running a test. Exit code 1 if anything is wrong.

    That is: format, OPA's strict check, compilation for the embedded engine, whose builtins are fewer, and, within the
    repository, that docs/reason-codes.md lists each reason code.
    """
    from amas_cli.policy.checks import check as check_policies
    from amas_cli.policy.checks import reason_codes_document
    from amas_cli.policy.sources import Sources

    sources = Sources.of(folder)
    findings = await check_policies(sources)
    documented = reason_codes_document(folder) is not None
    codes = "reason codes documented" if documented else "reason codes not compared: there is no docs/reason-codes.md"
    summary = f"{len(sources.modules)} files formatted, strict, compiled; {codes}"
    content = {
        "passed": not findings,
        "files": len(sources.modules),
        "reasonCodesCompared": documented,
        "findings": [finding.to_dict() for finding in findings],
    }
    return _print(findings, summary, content, output)


@app.command("explain")
@guarded
def explain(
    file: Annotated[str, typer.Option("--input", metavar="FILE", help="An input as JSON; - is standard input.")] = "",
    case: Annotated[str, typer.Option("--case", metavar="POLICY:NAME", help="The input of a case.")] = "",
    exports: Annotated[list[Path] | None, typer.Option("--from", metavar="EXPORT", help="Exports of audit.")] = None,
    decision: Annotated[str, typer.Option("--decision", metavar="ID", help="A decision that is in --from.")] = "",
    folder: Annotated[Path, typer.Option("--policies", metavar="DIR", help="The policies.")] = Path("policies"),
    output: OutputFormat = Output.TABLE,
) -> int:
    """Show what policies decide about an input, which rule gave each reason, and what the rule read of the input."""
    from amas_cli.output.documents import document
    from amas_cli.output.policy import explanation
    from amas_cli.output.terminal import line
    from amas_cli.policy.explaining import explain as explain_decision
    from amas_cli.policy.opa import OpaRefusedError
    from amas_cli.policy.sources import Sources

    from .policy_inputs import one_input

    sources = Sources.of(folder)
    asked = one_input(folder, file, case, exports or [], decision)
    try:
        explained = explain_decision(sources, asked)
    except OpaRefusedError as error:
        raise error.as_cli_error(f"OPA decides nothing with the policies in {folder}.") from error
    if output is not Output.TABLE:
        document(explained.to_dict(), output)
    else:
        for text, style in explanation(explained):
            line(text, style)
    return ExitCode.OK


def _print(findings: "Sequence[Finding]", summary: str, content: object, output: Output) -> int:
    from amas_cli.output import policy
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line, table

    if output is not Output.TABLE:
        document(content, output)
    elif findings:
        table(*policy.findings(findings))
    else:
        line(f"policies: {summary}", "good")
    return ExitCode.FAILED if findings else ExitCode.OK
