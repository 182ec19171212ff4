"""Reads what a replay needs from a file: the record of a run, and the bundle that the run was pinned to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amas_governance.bundle import Bundle

from amas_cli.audit_trail import ExportRefusedError, read_whole
from amas_cli.audit_trail.replay_bundle import is_replay_bundle, read_replay_bundle
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .recording import Event, Recording


@dataclass(frozen=True)
class Loaded:
    """A record with its bundle."""

    recording: Recording
    bundle: Bundle


def load(file: Path) -> Loaded:
    """The record and the bundle in a replay bundle. CliError for a file that is none, or that lacks one of them."""
    if not file.is_file():
        raise CliError(f"There is no file {file}.", exit_code=ExitCode.USAGE)
    if not is_replay_bundle(file):
        raise CliError(
            f"{file} is no replay bundle.",
            next_step="make one with `amas audit export RUN --bundle FILE`",
            exit_code=ExitCode.USAGE,
        )
    recording = record(file)
    return Loaded(recording, pinned_bundle(file, recording))


def pinned_bundle(file: Path, recording: Recording) -> Bundle:
    """The bundle in a replay bundle that its run was pinned to. CliError for a file that lacks it."""
    first = recording.started
    digest = str(first.members.get("bundle", "")) if first is not None else ""
    try:
        content = read_replay_bundle(file).bundle(digest)
    except ExportRefusedError as error:
        raise CliError(f"{file} cannot be read: {error}.") from error
    if content is None:
        raise CliError(f"{file} holds no bundle {digest or 'of the run'}, under which the run was decided.")
    return parse_bundle(content, file)


def record(file: Path) -> Recording:
    """The record alone, of a replay bundle or an export. CliError for a file that is neither."""
    if not file.is_file():
        raise CliError(f"There is no file {file}.", exit_code=ExitCode.USAGE)
    try:
        entries = read_whole(file, *read_replay_bundle(file).export) if is_replay_bundle(file) else read_whole(file)
    except ExportRefusedError as error:
        raise CliError(f"{file} cannot be read: {error}.") from error
    return Recording(
        run=str(entries[0].members["runid"]) if entries else "",
        tenant=str(entries[0].members["tenant"]) if entries else "",
        events=[Event(entry.members, entry.leaf, entry.contents) for entry in entries],
    )


def parse_bundle(content: bytes, file: Path) -> Bundle:
    """The bundle of its document. CliError for one that this version cannot read."""
    try:
        return Bundle.parse(content)
    except ValueError as error:
        raise CliError(f"The bundle in {file} cannot be read: {error}.") from error
