"""`amas audit replay` and `amas audit verifier`: a recorded run, run again offline; and the verifier for outsiders."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server
from .recorded_runs import fetched_run, must_verify, named_file

if TYPE_CHECKING:
    from amas_governance.bundle import Bundle

    from amas_cli.policy.replaying import Replayed
    from amas_cli.policy.sources import Sources
    from amas_cli.replay.loading import Loaded


@guarded
async def replay(
    target: Annotated[str, typer.Argument(metavar="RUN|FILE", help="A replay bundle, or the id of a run.")],
    other: Annotated[
        str, typer.Option("--bundle", metavar="OTHER", help="A folder of policies, a replay bundle or a bundle's JSON.")
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="STEP", help="Show the state when STEP ends, or before STEP/TURN.")
    ] = "",
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="Verify the file with this key first.")
    ] = None,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Run a recorded run again from its record alone, and compare: decisions and events, byte for byte.

    No tool, no model and no network is touched once the record is there. With --bundle, the decisions that would
    differ under other policies. Exit code 1 if anything differs, or if the record does not hold what a replay needs.
    """
    if other and until:
        raise CliError("Name --bundle or --until, not both.", exit_code=ExitCode.USAGE)
    with tempfile.TemporaryDirectory(prefix="amas-replay-") as folder:
        file = named_file(target) or await fetched_run(target, Path(folder), server, principal)
        return await _replay(file, other, until, public_key, output)


@guarded
def verifier() -> int:
    """Print the verifier for outsiders: one Python file that needs `cryptography` and nothing of AMAS.

    `amas audit verifier > amas_verify.py`, then `python3 amas_verify.py run.amas --key audit.pub`.
    """
    from importlib.resources import files

    from amas_cli.output.terminal import line

    line((files("amas_cli.verifier") / "amas_verify.py").read_text(encoding="utf-8").rstrip("\n"))
    return ExitCode.OK


async def _replay(file: Path, other: str, until: str, public_key: Path | None, output: Output) -> int:
    from amas_cli.output.documents import document
    from amas_cli.output.replay import replayed, state
    from amas_cli.output.terminal import line, note
    from amas_cli.replay.loading import load

    if public_key is None:
        note("the record is not verified: name a key with --public-key")
    else:
        must_verify(file, public_key)
    loaded = load(file)
    if other:
        return await _otherwise(loaded, other, output)
    if until:
        from amas_cli.replay.state import state_at

        found = await state_at(loaded, until)
        if output is not Output.TABLE:
            document(found, output)
        else:
            for text, style in state(found):
                line(text, style)
        return ExitCode.OK
    from amas_cli.replay.replaying import replay_run

    result = await replay_run(loaded)
    if output is not Output.TABLE:
        document(result.to_dict(), output)
    else:
        for text, style in replayed(result):
            line(text, style)
    return ExitCode.OK if result.identical else ExitCode.FAILED


async def _otherwise(loaded: "Loaded", other: str, output: Output) -> int:
    """What another bundle would have decided, by the recorded inputs."""
    from amas_cli.output.documents import document
    from amas_cli.output.policy import replayed
    from amas_cli.output.terminal import line

    result = await _compared(loaded, Path(other))
    failures = [f"{len(result.changed)} decisions would differ"] if result.changed else []
    if not result.compared:
        failures.append("nothing could be replayed")
    if output is not Output.TABLE:
        document({**result.to_dict(), "failures": failures}, output)
    else:
        for text, style in replayed(result, failures):
            line(text, style)
    return ExitCode.FAILED if failures else ExitCode.OK


async def _compared(loaded: "Loaded", other: Path) -> "Replayed":
    from amas_cli.policy.opa import OpaRefusedError
    from amas_cli.policy.replaying import Questions
    from amas_cli.policy.replaying import replay as put
    from amas_cli.policy.sources import Sources
    from amas_cli.replay.decisions import EmbeddedEngine, recorded_decisions

    recorded, candidate = recorded_decisions(loaded.recording), _candidate(other)
    if isinstance(candidate, Sources):
        try:
            return put(candidate, recorded)
        except OpaRefusedError as error:
            raise error.as_cli_error(f"The policies in {other} do not compile.") from error
    engine, questions = EmbeddedEngine(candidate), Questions.of(recorded)
    return questions.answered([await engine.answer(document) for document in questions.documents])


def _candidate(other: Path) -> "Sources | Bundle":
    from amas_cli.audit_trail.replay_bundle import is_replay_bundle
    from amas_cli.policy.sources import Sources
    from amas_cli.replay.loading import load, parse_bundle

    if other.is_dir():
        return Sources.of(other)
    if not other.is_file():
        raise CliError(f"There is no file or folder {other}.", exit_code=ExitCode.USAGE)
    return load(other).bundle if is_replay_bundle(other) else parse_bundle(other.read_bytes(), other)
