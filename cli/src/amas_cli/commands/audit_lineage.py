"""`amas audit lineage`: which data reached which model, agent, output and outside system, from the records of runs."""

import json
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .audit_logs import PublicKey, default_public_key
from .guard import guarded
from .options import As, Server
from .recorded_runs import fetched_run, must_verify, named_file

if TYPE_CHECKING:
    from amas_governance.resources import Orchestration

    from amas_cli.lineage.graph import Graph
    from amas_cli.lineage.searching import Found
    from amas_cli.replay.recording import Recording


class LineageOutput(StrEnum):
    """How lineage is printed."""

    TABLE = "table"
    JSON = "json"
    MERMAID = "mermaid"
    DOT = "dot"
    OPENLINEAGE = "openlineage"


@guarded
async def lineage(
    targets: Annotated[list[str], typer.Argument(metavar="RUN|FILE...", help="Exports, replay bundles, ids of runs.")],
    of: Annotated[str, typer.Option("--of", metavar="TEXT", help="Where this text went.")] = "",
    digest: Annotated[
        str, typer.Option("--digest", metavar="DIGEST", help="Where the value of this digest went.")
    ] = "",
    into: Annotated[
        str, typer.Option("--into", metavar="output|STEP", help="Where the output, or a step's answer, came from.")
    ] = "",
    whose: Annotated[
        str, typer.Option("--principal", metavar="NAME", help="What was done for a principal, and what it reached.")
    ] = "",
    key: Annotated[
        str, typer.Option("--key", metavar="ID", help="Where contents under this key went: those of one subject.")
    ] = "",
    unverified: Annotated[bool, typer.Option("--unverified", help="Do not verify the records first.")] = False,
    public_key: PublicKey = None,
    principal: As = "",
    server: Server = "",
    output: Annotated[LineageOutput, typer.Option("--output", "-o", help="How to print the result.")] = (
        LineageOutput.TABLE
    ),
) -> int:
    """Show which data reached which model, step, output and outside system, from verified records of runs.

    An edge is observed where the later value holds the earlier by an equal digest or word for word, and otherwise only
    possible. Without a question, the whole graph. No server is needed for files.
    """
    from amas_cli.lineage.building import lineage as built
    from amas_cli.replay.loading import record

    question = _question(of=of, digest=digest, into=into, principal=whose, key=key)
    found = []
    for target in targets:
        with tempfile.TemporaryDirectory(prefix="amas-lineage-") as folder:
            file = named_file(target) or await fetched_run(target, Path(folder), server, principal)
            if not unverified:
                must_verify(file, _key(public_key))
            recording = record(file)
            found.append(question(built(recording, _orchestration(file, recording))))
    _print(found, output)
    return ExitCode.OK


def _orchestration(file: Path, recording: "Recording") -> "Orchestration | None":
    """The run's own, out of a replay bundle; None where there is none to read."""
    from amas_cli.audit_trail.replay_bundle import is_replay_bundle
    from amas_cli.output.terminal import note
    from amas_cli.replay.loading import pinned_bundle

    started = recording.started
    if started is None or not is_replay_bundle(file):
        return None
    try:
        return pinned_bundle(file, recording).orchestration(str(started.data.get("orchestration", "")))
    except CliError as error:
        note(f"what steps were given is taken from their order alone: {error}")
        return None


def _key(public_key: Path | None) -> Path:
    key = public_key or default_public_key()
    if not key.is_file():
        raise CliError(
            f"There is no key {key} to verify with.",
            next_step="name one with --public-key, or take the record on trust with --unverified",
            exit_code=ExitCode.USAGE,
        )
    return key


def _question(**asked: str) -> "Callable[[Graph], Found]":
    """What is asked of each graph; CliError for two questions at once."""
    from amas_cli.lineage import searching

    known = {
        "of": searching.of_text,
        "digest": searching.of_digest,
        "into": searching.into,
        "principal": searching.of_principal,
        "key": searching.of_key,
    }
    named = [name for name, value in asked.items() if value]
    if len(named) > 1:
        raise CliError(f"Ask one question at a time, not --{' and --'.join(named)}.", exit_code=ExitCode.USAGE)
    if not named:
        return searching.everything
    name = named[0]
    return lambda graph: known[name](graph, asked[name])


def _print(found: "list[Found]", output: LineageOutput) -> None:
    from amas_cli.lineage import drawing
    from amas_cli.lineage.openlineage import events
    from amas_cli.output.documents import Output, document
    from amas_cli.output.lineage import HEADERS, rows, summary
    from amas_cli.output.terminal import line, table

    parts = [one.part for one in found]
    match output:
        case LineageOutput.JSON:
            document([one.to_dict() for one in found], Output.JSON)
        case LineageOutput.OPENLINEAGE:
            for part in parts:
                for event in events(part):
                    line(json.dumps(event))
        case LineageOutput.MERMAID | LineageOutput.DOT:
            draw = drawing.mermaid if output is LineageOutput.MERMAID else drawing.dot
            for text in draw(part for part in parts if part.nodes):
                line(text)
        case _:
            for one in found:
                line(summary(one), "strong")
                if one.part.nodes:
                    table(HEADERS, list(rows(one)))
