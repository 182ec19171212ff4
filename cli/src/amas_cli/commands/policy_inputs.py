"""Finds what `amas policy explain` and `replay` work on: an input by file, case or record; decisions out of audit."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from amas_cli.gateway.api import GatewayApi
    from amas_cli.policy.recorded import Recorded


def one_input(folder: Path, file: str, case: str, exports: Sequence[Path], decision: str) -> Any:
    """The input that exactly one of the three ways names."""
    ways = [bool(file), bool(case), bool(exports or decision)]
    if sum(ways) != 1 or bool(exports) != bool(decision):
        raise CliError("Name one input: by --input, by --case, or by --from with --decision.", exit_code=ExitCode.USAGE)
    if file:
        return _json_file(file)
    if case:
        return _case(folder, case)
    found = [item for item in from_exports(exports) if decision in (item.decision_id, item.event)]
    if not found:
        raise CliError(f"There is no decision {decision} in what --from names.", exit_code=ExitCode.NOT_FOUND)
    if found[0].document is None:
        raise CliError(
            f"Decision {decision} has no input on record: {found[0].unusable}.", exit_code=ExitCode.NOT_FOUND
        )
    return found[0].document


def from_exports(files: Sequence[Path]) -> list[Recorded]:
    """The decisions of exports, each once, in the order of the files."""
    from amas_cli.audit_trail import ExportRefusedError, read_whole

    events: list[Mapping[str, Any]] = []
    for path in files:
        if not path.is_file():
            raise CliError(f"There is no file {path}.", exit_code=ExitCode.USAGE)
        try:
            events += [entry.members for entry in read_whole(path)]
        except ExportRefusedError as error:
            raise CliError(f"{path}:{error.line}: {error}.", exit_code=ExitCode.USAGE) from error
    return list(_decisions(events))


async def from_audit(api: GatewayApi, run: str, since: str, until: str) -> list[Recorded]:
    """The decisions of a run, or of all, from `since` on and before `until`, as the gateway answers them."""
    from amas_cli.policy.recorded import DECIDED

    begin, end = _moment("--since", since), _moment("--until", until)
    events: list[Mapping[str, Any]] = []
    for kind in DECIDED:
        entries = await api.audit_events(runId=run, type=kind, contents="true")
        events += [_members(entry) for entry in entries]
    chosen = [event for event in events if _within(str(event.get("time") or ""), begin, end)]
    return list(_decisions(sorted(chosen, key=lambda event: str(event.get("time")))))


def _decisions(events: Sequence[Mapping[str, Any]]) -> Iterator[Recorded]:
    from amas_cli.policy.recorded import read_recorded

    seen: set[tuple[str, str]] = set()
    for members in events:
        name = (str(members.get("tenant")), str(members.get("id")))
        recorded = None if name in seen else read_recorded(members)
        seen.add(name)
        if recorded is not None:
            yield recorded


def _members(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event of an entry from its leaf, which is what the log proves."""
    try:
        members = json.loads(base64.b64decode(str(entry["leaf"]), validate=True))
    except (KeyError, ValueError) as error:
        raise CliError(f"Entry {entry.get('index', '?')} of the log has no leaf that can be read.") from error
    if not isinstance(members, dict):
        raise CliError(f"Entry {entry.get('index', '?')} of the log is no event.")
    return _with_contents(members, (entry.get("event") or {}).get("contents") or ())


def _with_contents(members: dict[str, Any], given: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The event with its data whole, as far as it is not erased."""
    from amas_governance.audit_events import joined

    try:
        contents = {one["name"]: base64.b64decode(one.get("data") or "") for one in given if one.get("salt")}
        return {**members, "data": joined(str(members.get("type")), members.get("data") or {}, contents)}
    except (KeyError, TypeError, ValueError) as error:
        raise CliError(f"Event {members.get('id', '?')} has a content that cannot be read.") from error


def _moment(option: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(f"{option}: {text!r} is no RFC 3339 time.", exit_code=ExitCode.USAGE) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _within(time: str, begin: datetime | None, end: datetime | None) -> bool:
    if begin is None and end is None:
        return True
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise CliError(f"An event of the log has no readable time: {time!r}.") from error
    return (begin is None or moment >= begin) and (end is None or moment < end)


def _json_file(file: str) -> Any:
    name = "standard input" if file == "-" else file
    if file != "-" and not Path(file).is_file():
        raise CliError(f"There is no file {file}.", exit_code=ExitCode.USAGE)
    try:
        return json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CliError(f"{name} is not JSON: {error}.", exit_code=ExitCode.USAGE) from error


def _case(folder: Path, wanted: str) -> Any:
    from amas_cli.policy.cases import read_cases

    policy, _, name = (part.strip() for part in wanted.partition(":"))
    cases = list(read_cases(folder))
    for case in cases:
        if (case.policy, case.name) == (policy, name):
            return case.document
    of_policy = [f"{case.policy}:{case.name}" for case in cases if case.policy == policy]
    raise CliError(
        f"There is no case {wanted!r}: write POLICY:NAME.",
        details=tuple(of_policy or sorted({case.policy for case in cases})),
        exit_code=ExitCode.NOT_FOUND,
    )
