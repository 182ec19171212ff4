"""Where commands print. Results go to standard output, everything else to standard error; styled only on a terminal."""

import functools
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"good": "green", "bad": "red", "wait": "yellow", "dim": "dim", "strong": "bold", "": ""}


def styled() -> bool:
    """Whether colours make sense: a terminal that is not dumb, and nobody said no (no-color.org)."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")


def line(text: str = "", style: str = "") -> None:
    """Print one line on standard output. `text` must be printable already where it comes from outside."""
    if style and styled():
        _console().print(text, style=STYLES[style], markup=False, highlight=False, soft_wrap=True)
    else:
        print(text, flush=True)


def note(text: str) -> None:
    """Print one line on standard error."""
    print(text, file=sys.stderr, flush=True)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as what is in them, like kubectl."""
    everything = [list(headers), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in everything) for column in range(len(headers))]
    for number, row in enumerate(everything):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        line("  ".join(cells).rstrip(), "dim" if number == 0 else "")


@functools.cache
def _console() -> "Console":
    from rich.console import Console

    return Console()
