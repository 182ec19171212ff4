"""`amas run`, `watch`, `cancel`: start a run, follow it, stop it."""

from typing import Annotated, Any

import typer

from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


@guarded
async def run(
    orchestration: Annotated[str, typer.Argument(help="Name of the orchestration.")],
    given: Annotated[
        list[str] | None, typer.Option("--input", "-i", metavar="KEY=VALUE", help="One input; KEY:=JSON for a value.")
    ] = None,
    input_file: Annotated[
        str, typer.Option("--input-file", metavar="FILE", help="The input as a JSON object; - reads standard input.")
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-F", help="Show what happens until the run has ended.")] = False,
    idempotency_key: Annotated[
        str, typer.Option("--idempotency-key", metavar="KEY", help="The same key never starts a second run.")
    ] = "",
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Start a run. With --follow the exit code is 0 only if it succeeds."""
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line
    from amas_cli.run_input import read_input

    from .session import gateway

    content = read_input(given or [], input_file)
    async with gateway(server, principal) as api:
        started = await api.start_run(orchestration, content, idempotency_key)
        run_id = str(started.get("id", ""))
        if follow:
            return await follow_run(api, run_id, output)
    if output is not Output.TABLE:
        document(started, output)
    else:
        line(f"run/{run_id} started, trace {started.get('trace_id', '')}")
        line(f"next: `amas watch {run_id}`")
    return ExitCode.OK


@guarded
async def watch(
    run_id: RunId,
    after: Annotated[int, typer.Option("--after", metavar="SEQUENCE", help="Only events after this one.")] = 0,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Follow a run from its first event on until it has ended; goes on after a cut."""
    from .session import gateway

    async with gateway(server, principal) as api:
        return await follow_run(api, run_id, output, after)


@guarded
async def cancel(
    run_id: RunId,
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on the record.")] = "",
    principal: As = "",
    server: Server = "",
) -> int:
    """Cancel a run, also one that waits for an approval."""
    from amas_cli.output.terminal import line

    from .session import gateway

    async with gateway(server, principal) as api:
        cancelled = await api.cancel_run(run_id, reason)
    line(f"run/{run_id} {cancelled.get('state', 'cancelled')}")
    return ExitCode.OK


async def follow_run(api: Any, run_id: str, output: Output, after: int = 0) -> int:
    """Show each event as it comes; answers the exit code of the outcome. JSON gives one event a line."""
    import json

    from amas_cli.output.follow import FollowView
    from amas_cli.output.terminal import line

    view, state = FollowView(), ""
    if output is Output.TABLE:
        current = await api.run(run_id)
        line(f"run {run_id}  {current.get('orchestration', '')} {current.get('orchestration_version', '')}", "strong")
        line(f"trace {current.get('trace_id', '')}", "dim")
    async for event in api.watch(run_id, after):
        state = str((event.get("run_state_changed") or {}).get("state", state))
        if output is not Output.TABLE:
            line(json.dumps(event))
            continue
        for shown in view.lines(event):
            line(shown.text, shown.style)
    if output is Output.TABLE:
        show_result(await api.run(run_id))
    return outcome(state)


def outcome(state: str) -> int:
    """0 for a run that succeeded, 1 for every other end."""
    return ExitCode.OK if state == "succeeded" else ExitCode.FAILED


def show_result(current: dict[str, Any]) -> None:
    """The output of a run that succeeded."""
    import json

    from amas_cli.output.printable import printable
    from amas_cli.output.terminal import line

    result = current.get("output")
    if result is None:
        return
    line()
    text = result if isinstance(result, str) else json.dumps(result, indent=2)
    line(printable(text, multiline=True))
