"""What the machine does besides: a number is worth little without it."""

from __future__ import annotations

import os

from .report import Row


def load_row() -> Row:
    """The load average of the last minute before a benchmark: above 0.5 a core, others were at work."""
    return Row(f"load average before, {os.cpu_count()} cores", os.getloadavg()[0], "")
