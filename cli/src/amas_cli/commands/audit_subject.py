"""`amas audit subject`: which runs saw a person's data, and the keys by which their events name it."""

from typing import Annotated, Any

import typer

from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server

MAX_PAGE = 1000


@guarded
async def subject(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose data: a token's subject.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many runs.")] = 1000,
    after: Annotated[str, typer.Option("--after", metavar="TOKEN", help="Go on after what was shown.")] = "",
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Find the runs that hold a person's data. That it was asked goes on the record, the name does not."""
    from .session import gateway

    runs: list[dict[str, Any]] = []
    keys: list[dict[str, Any]] = []
    async with gateway(server, principal) as api:
        while True:
            page, keys, after = await api.subject_page(name, after, min(limit - len(runs), MAX_PAGE))
            runs += page
            if not after or len(runs) >= limit:
                break
    _show(runs, keys, after, output)
    return ExitCode.OK


def _show(runs: list[dict[str, Any]], keys: list[dict[str, Any]], token: str, output: Output) -> None:
    from amas_cli.output.documents import document
    from amas_cli.output.printable import printable
    from amas_cli.output.terminal import line, note, table

    if output is not Output.TABLE:
        document({"runs": runs, "keys": keys, "next_page_token": token}, output)
    elif not keys:
        line("nothing of that subject is on record; what was erased is not, either")
    else:
        headings = ["RUN", "EVENTS", "CONTENTS", "FROM", "TO"]
        table(headings, [_row(run) for run in runs])
        for key in keys:
            held = f"{key.get('contents', 0)} contents, {printable(str(key.get('retention', '')))}"
            line(f"key {printable(str(key.get('id', '')))}: {held}")
    if token:
        note(f"next: there are more runs, go on with `--after {token}`")


def _row(run: dict[str, Any]) -> list[str]:
    times = [str(run.get(name) or "-") for name in ("first_time", "last_time")]
    return [str(run.get("run_id") or "(no run)"), str(run.get("events", 0)), str(run.get("contents", 0)), *times]
