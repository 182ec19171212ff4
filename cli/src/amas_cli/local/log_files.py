"""Keeps the parts' log files within a bound, and reads their ends for people."""

import json
import shutil
from pathlib import Path

LOG_LIMIT_BYTES = 8 * 1024 * 1024
"""Of one file; one older file is kept beside it, so a part takes twice this at the most."""
TAIL_BYTES = 64 * 1024


def put_aside(logs: Path, keep: str) -> None:
    """Rename the logs of the last start to `<name>.1`, so that each log is about one start; not that of `keep`."""
    for log in logs.glob("*.log"):
        if log.name != f"{keep}.log":
            log.replace(log.with_name(log.name + ".1"))


def rotate(log: Path) -> bool:
    """Copy a file that grew past the limit to `<name>.1` and empty it.

    The part goes on writing to the same open file, which is in append mode. Lines written between the copy and the
    cut are lost: that is the price of not standing between a part and its log.
    """
    try:
        if log.stat().st_size < LOG_LIMIT_BYTES:
            return False
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        with log.open("r+b") as file:
            file.truncate(0)
    except OSError:
        return False
    return True


def tail(log: Path, lines: int) -> tuple[str, ...]:
    """The last non-empty lines of a log, for people; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    last = [line for line in text.splitlines() if line.strip()][-lines:]
    return tuple(shown for line in last for shown in _readable(line))[-lines:]


def _readable(line: str) -> list[str]:
    """A line of a service's JSON log as its level, its message and the exception's last line; others as they are."""
    try:
        entry = json.loads(line)
        words = [f"{entry['level']}: {entry['message']}"]
    except (ValueError, KeyError, TypeError):
        return [line]
    exception = str(entry.get("exception", "")).strip().splitlines()
    return words + exception[-1:]
