"""Holds the events of every run to be numbered without a gap, in the order in which they stand in the log."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .report import LogReport, Part


class _Leaf(msgspec.Struct):
    """The members of a leaf that are asked for here (docs/audit-events.md)."""

    tenant: str
    specversion: str
    runid: str = ""
    runsequence: int = 0


class Sequences:
    """What was seen of each run so far."""

    def __init__(self, report: LogReport) -> None:
        self._report = report
        self._last: dict[tuple[str, str], int] = {}
        self._decode = msgspec.json.Decoder(_Leaf).decode

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self._last)

    def take(self, first: int, leaves: Sequence[bytes]) -> None:
        """The next entries, whose hashes are right; `first` is the index of the first of them."""
        last, decode = self._last, self._decode
        for at, leaf in enumerate(leaves):
            try:
                event = decode(leaf)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._report.find(Part.SEQUENCE, f"entry {first + at} is no event")
                continue
            if event.runid:
                run = (event.tenant, event.runid)
                expected = last.get(run, 0) + 1
                if event.runsequence != expected:
                    self._report.find(
                        Part.SEQUENCE,
                        f"entry {first + at} is event {event.runsequence} of its run where event {expected} belongs",
                    )
                last[run] = event.runsequence
