"""`amas up`, `amas down`, `amas status`: the platform on this machine."""

from dataclasses import asdict
from typing import Annotated

import typer

from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import OutputFormat

PART_WIDTH = 22


@guarded
def up(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay attached; Ctrl-C stops everything.")] = False,
    port_base: Annotated[
        int, typer.Option("--port-base", help="First of the five public ports; 0 picks free ones.")
    ] = 7080,
    workspace: Annotated[
        str, typer.Option("--workspace", metavar="DIR", help="Folder that tool servers work in.")
    ] = "",
) -> int:
    """Start the platform on this machine, and return when it is ready."""
    import os
    from pathlib import Path

    from amas_cli.local import starter
    from amas_cli.local.events import Event, PartReady
    from amas_cli.local.home import Home
    from amas_cli.local.options import MODEL_VARIABLES, UpOptions
    from amas_cli.output.terminal import line

    home = Home.from_environment()
    options = UpOptions(
        port_base=port_base,
        workspace=str(Path(workspace).absolute()) if workspace else "",
        model_environment={name: os.environ[name] for name in MODEL_VARIABLES if os.environ.get(name)},
    )

    def progress(event: Event) -> None:
        if isinstance(event, PartReady):
            line(f"  {event.part:<{PART_WIDTH}} ready in {event.seconds:4.1f} s")
        else:
            _show_ready()

    line(f"starting AMAS in {home.root}")
    if foreground:
        return starter.run_attached(home, options, progress)
    starter.start_detached(home, options, progress)
    _show_ready()
    return ExitCode.OK


@guarded
def down(
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the state folder too: runs, records, keys, all.")
    ] = False,
) -> int:
    """Stop the platform on this machine, and return when nothing of it runs."""
    from amas_cli.local.home import Home
    from amas_cli.local.starter import delete_state, stop
    from amas_cli.output.terminal import line

    home = Home.from_environment()
    line("AMAS is stopped" if stop(home) else f"AMAS does not run in {home.root}")
    if delete:
        delete_state(home)
        line(f"{home.root} is deleted")
    return ExitCode.OK


@guarded
def status(output: OutputFormat = Output.TABLE) -> int:
    """Show what runs, how much memory it holds and where it answers. Exit code 5 unless everything is ready."""
    from amas_cli.local.home import Home
    from amas_cli.local.status import platform_status
    from amas_cli.output.documents import document
    from amas_cli.output.printable import printable
    from amas_cli.output.quantities import span
    from amas_cli.output.terminal import line, table

    current = platform_status(Home.from_environment())
    if output is not Output.TABLE:
        document(asdict(current), output)
    elif not current.running:
        line(f"AMAS does not run in {current.home} (start it with `amas up`)")
    else:
        rows = [
            [part.name, part.state, str(part.pid), str(part.restarts), f"{part.rss_mb:.0f} MB", span(part.uptime_s)]
            for part in current.parts
        ]
        table(("PART", "STATE", "PID", "RESTARTS", "RSS", "UP"), rows)
        line()
        for name, place in current.endpoints.items():
            line(f"{name:<10}{place}")
        line(f"{'model':<10}{current.model}")
        line(f"{'workspace':<10}{current.workspace}")
        for note in current.notes:
            line(f"{'note':<10}{printable(note)}", "wait")
        line(f"started in {current.ready_after_s:.1f} s, {current.total_rss_mb:.0f} MB resident in all")
    return ExitCode.OK if current.ready else ExitCode.UNAVAILABLE


def _show_ready() -> None:
    from amas_cli.local.home import Home
    from amas_cli.local.status import platform_status
    from amas_cli.output.terminal import line

    current = platform_status(Home.from_environment())
    line(f"AMAS is ready after {current.ready_after_s:.1f} s, {current.total_rss_mb:.0f} MB resident", "good")
    line(f"  API      {current.endpoints['api']}   (docs: {current.endpoints['docs']})")
    line(f"  gRPC     {current.endpoints['grpc']}")
    line(f"  model    {current.model}")
    line("next: `amas login --as developer`; `amas down` stops it")
