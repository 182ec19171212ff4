"""`make bench`: measures the platform and prints each figure beside its aim; results go to out/bench/*.json.

    python -m tests.load.bench [--only NAME]... [--quick]

It fails only if something could not be measured: on a busy machine an aim that is missed says little.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from . import engine, runs, startup

BENCHMARKS = {engine.NAME: engine.measure, runs.NAME: runs.measure, startup.NAME: startup.measure}
# A load average above this share of the cores disturbs what is measured.
QUIET_SHARE = 0.5


def main() -> int:
    """Runs what was asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description="Measures the platform.")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="this benchmark; may be given again")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: to see that it works, not for numbers")
    options = parser.parse_args()
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    if busy > QUIET_SHARE * cores:
        print(
            f"others are at work (load average {busy:.1f} on {cores} cores): take no figure for good", file=sys.stderr
        )
    for name in options.only or BENCHMARKS:
        begun = time.monotonic()
        print(f"{name} ...", file=sys.stderr)
        path = BENCHMARKS[name](quick=options.quick)
        print(f"{name}: {time.monotonic() - begun:.0f} s, {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
