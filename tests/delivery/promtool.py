"""Asks promtool what queries answer on made-up series, all in one test file, as it takes a second to start."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Seconds between scrapes, and how many there are: more than a window of 20 s, so that its start is not seen.
SCRAPE = 2
SCRAPES = 30

Series = Mapping[str, float]


@dataclass(frozen=True)
class Question:
    """A query on counters that grow by so much at each scrape, and on gauges that stay as they are.

    `answer` is the one value, or None for no answer.
    """

    name: str
    series: Series
    query: str
    answer: float | None
    gauges: Series = field(default_factory=dict)


def wrong_answers(questions: Sequence[Question], folder: Path) -> str:
    """What promtool says of the answers that differ, or "" if none does."""
    # JSON is YAML too.
    file = folder / "test.yaml"
    file.write_text(json.dumps({"evaluation_interval": f"{SCRAPE}s", "tests": [_test(one) for one in questions]}))
    command = ["promtool", "test", "rules", str(file)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise AssertionError("promtool is not on the PATH: `make promtool` finds or fetches it") from None
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _test(one: Question) -> dict[str, Any]:
    expected = [] if one.answer is None else [{"labels": "{}", "value": one.answer}]
    counters = [{"series": name, "values": f"0+{step}x{SCRAPES}"} for name, step in one.series.items()]
    gauges = [{"series": name, "values": f"{value}+0x{SCRAPES}"} for name, value in one.gauges.items()]
    return {
        "name": one.name,
        "interval": f"{SCRAPE}s",
        "input_series": counters + gauges,
        "promql_expr_test": [{"expr": one.query, "eval_time": f"{SCRAPE * SCRAPES}s", "exp_samples": expected}],
    }
