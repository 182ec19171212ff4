"""What is measured with each system: kinds of load, each for a few seconds, in every round."""

from __future__ import annotations

from dataclasses import dataclass

from .plan import Endpoint, Mode, Plan

KB = 1024
SIZES = (1, 4, 50)
"""Kilobytes of a request."""
CONNECTIONS = 50
"""The floor of the aims was measured at this number."""
LOW_RATE = 50.0
"""Requests a second that the slowest peer carries on one core at about half its power."""
LOW_STREAM_RATE = 20.0
"""The same for streams."""
HIGH_RATE = 200.0
"""For all but the slowest."""
MAX_OPEN = 512
"""Connections of an open loop. More requests than that wait, and their time counts."""


@dataclass(frozen=True)
class Cell:
    """One kind of load."""

    kind: Mode
    kilobytes: int
    stream: bool
    seconds: float
    rate: float = 0.0

    @property
    def high(self) -> bool:
        """Whether it is the rate that the slowest peer cannot carry."""
        return self.rate == HIGH_RATE

    @property
    def name(self) -> str:
        """`streamed 4 KB at 20/s`."""
        how = "streamed" if self.stream else "whole"
        load = f"at {self.rate:g}/s" if self.kind == "open" else f"by {CONNECTIONS}"
        return f"{how} {self.kilobytes} KB {load}"

    def plan(self, endpoint: Endpoint) -> Plan:
        """The load generator's order."""
        most = MAX_OPEN if self.kind == "open" else CONNECTIONS
        return Plan(
            endpoint, self.kind, self.seconds, self.kilobytes * KB, stream=self.stream, rate=self.rate, connections=most
        )


def most(stream: bool, kilobytes: int = 1, *, quick: bool = False) -> Cell:
    """As many as a system can do: CPU a request, requests a second."""
    return Cell("closed", kilobytes, stream, 1.5 if quick else 3.0)


def steady(stream: bool, *, high: bool, quick: bool = False) -> Cell:
    """The same rate for everybody: latency."""
    low = LOW_STREAM_RATE if stream else LOW_RATE
    seconds = (2.0 if quick else 3.0) if high else (3.0 if quick else 6.0)
    return Cell("open", 1, stream, seconds, HIGH_RATE if high else low)


def all_cells(*, quick: bool) -> list[Cell]:
    """In the order in which they are run."""
    sizes = SIZES[:1] if quick else SIZES
    found = [most(stream, size, quick=quick) for size in sizes for stream in (False, True)]
    return found + [steady(stream, high=high, quick=quick) for high in (False, True) for stream in (False, True)]
