"""What every benchmark prints and writes: a table, and out/bench/<name>.json.

`meets` is computed from the aim, never written by hand.
"""

from __future__ import annotations

import json
import operator
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

OUT = Path(__file__).resolve().parents[2] / "out" / "bench"
_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is ours to the peer's, `aim` is such as `<= 1.5` and judges `ratio` if there is one."""

    metric: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None
    # Half the distance between the lowest and the highest of the repeated measurements, in the unit of the value.
    spread: float | None = None
    aim: str | None = None
    meets: bool | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.aim is not None:
            sign, bound = self.aim.split()
            judged = self.value if self.ratio is None else self.ratio
            object.__setattr__(self, "meets", _COMPARE[sign](judged, float(bound)))


def percentile(values: Sequence[float], share: float) -> float:
    """Answers the value at a share (0 to 1) of the sorted values, by the nearest rank.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def half_range(values: Sequence[float]) -> float:
    """Answers half the distance between the lowest and the highest value."""
    return (max(values) - min(values)) / 2


def versions(*packages: str) -> dict[str, str]:
    """Names what was measured: the interpreter and the packages that matter."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def publish(name: str, measured: dict[str, str], rows: Sequence[Row], command: str) -> Path:
    """Prints the table and writes the JSON; answers its path."""
    print(f"\n{name}: {command}")
    print("  " + ", ".join(f"{package} {number}" for package, number in measured.items()))
    print(f"  {'metric':44} {'value':>10} {'unit':6} {'spread':>8} {'ratio':>7} {'aim':>9}  meets")
    for row in rows:
        spread = "" if row.spread is None else f"±{row.spread:.3g}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        meets = "" if row.meets is None else ("yes" if row.meets else "NO")
        peer = f" (peer: {row.peer})" if row.peer else ""
        print(
            f"  {row.metric:44} {row.value:10.4g} {row.unit:6} {spread:>8} {ratio:>7} {row.aim or '':>9}  {meets}{peer}"
        )
    OUT.mkdir(parents=True, exist_ok=True)
    target = OUT / f"{name}.json"
    target.write_text(
        json.dumps({"command": command, "versions": measured, "rows": [asdict(row) for row in rows]}, indent=1) + "\n"
    )
    return target
