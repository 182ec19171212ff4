"""`make bench-audit`: what the audit log takes and answers, beside plain inserts and Tessera on this machine.

python -m tests.load.audit [--parts appends hop latency proofs verify] [--quick]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from ..machine import load_row
from ..report import Row, publish, versions
from . import appends, hop, latency, proofs, verifying
from .stage import Stage, stage

GO_MOD = Path(__file__).resolve().parents[2] / "interop" / "go.mod"
PARTS: dict[str, Callable[..., Awaitable[list[Row]]]] = {
    "appends": appends.measure,
    "hop": hop.measure,
    "latency": latency.measure,
    "proofs": proofs.measure,
    "verify": verifying.measure,
}


async def measure(parts: list[str], *, quick: bool) -> tuple[list[Row], str]:
    """Rows of the parts, each on a log of its own, and the version of Postgres."""
    rows, version = [load_row()], ""
    for part in parts:
        print(f"audit: {part} ...", file=sys.stderr)
        made: Stage
        async with stage() as made:
            version = made.postgres_version
            rows += await PARTS[part](made, quick=quick)
    return rows, version


def tessera_version() -> str:
    """As go.mod of tests/interop pins it."""
    [version] = re.findall(r"transparency-dev/tessera v(\S+)$", GO_MOD.read_text(), re.MULTILINE)
    return str(version)


def main() -> int:
    """Measures the parts one after the other; fails only if something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.audit", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--quick", action="store_true", help="to see that it works, not for numbers")
    options = parser.parse_args()
    rows, postgres = uvloop.run(measure(options.parts, quick=options.quick))
    measured = versions("asyncpg", "cryptography", "uvloop") | {"postgres": postgres, "tessera": tessera_version()}
    publish("audit", measured, rows, "make bench-audit" + (" (quick)" if options.quick else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
