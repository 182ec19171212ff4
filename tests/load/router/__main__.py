"""`make bench-router`: measures our model path beside other gateways; results go to out/bench/router.json.

    python -m tests.load.router [--quick] [--parts PART[,PART]] [--peers PEER[,PEER]]

It fails only if something could not be measured: on a busy machine an aim that is missed says little.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from ..machine import load_row
from ..report import Row, publish, versions
from . import failover, idle_streams, overhead, overhead_rows
from .measure import LOAD_CORE, SYSTEM_CORE
from .stage import Stage, stage
from .systems import STARTERS, VERSIONS

NAME = "router"
PARTS = ("overhead", "failover", "streams")
# A load average above this share of the cores disturbs what is measured.
QUIET_SHARE = 0.5


def main() -> int:
    """Runs what was asked for on one stage."""
    options = _parser().parse_args()
    parts, peers = options.parts.split(","), [peer for peer in options.peers.split(",") if peer]
    unknown = [*(set(parts) - set(PARTS)), *(set(peers) - set(STARTERS))]
    if unknown:
        print(f"unknown: {', '.join(unknown)}", file=sys.stderr)
        return 2
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    if busy > QUIET_SHARE * cores:
        print(f"others are at work (load average {busy:.1f}, {cores} cores): take no figure for good", file=sys.stderr)
    begun = time.monotonic()
    # Whoever ends this ends what it started, and its folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    rows = [load_row()]
    with stage(peers if "overhead" in parts else []) as found:
        print(_setting(found), file=sys.stderr)
        if "overhead" in parts:
            rows += overhead_rows.rows(overhead.run(found, quick=options.quick), quick=options.quick)
        if "streams" in parts:
            rows += idle_streams.measure(found, quick=options.quick)
        # Last, since it leaves breakers open and a provider dead.
        if "failover" in parts:
            rows += failover.measure(found, quick=options.quick)
        measured = _versions(found)
    path = publish(NAME, measured, rows, f"python -m tests.load.router {' '.join(sys.argv[1:])}".strip())
    _judge(rows)
    print(f"router: {time.monotonic() - begun:.0f} s, {path}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.load.router", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works, not for numbers")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--peers", default=",".join(STARTERS), help=f"of {', '.join(STARTERS)}; default: all")
    return parser


def _setting(found: Stage) -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return (
        f"router: {processor}, {os.cpu_count()} cores; core {LOAD_CORE}: load, upstream and our stores, "
        f"core {SYSTEM_CORE}: what is compared; {', '.join(system.name for system in found.systems())}"
    )


def _versions(found: Stage) -> dict[str, str]:
    ours = versions("grpcio", "uvicorn", "httptools", "uvloop", "aiohttp", "redis", "asyncpg")
    theirs = {system.name: VERSIONS[system.name] for system in found.others if system.name in VERSIONS}
    return {**ours, **theirs, **{name: f"left out ({why.splitlines()[0]})" for name, why in found.left_out.items()}}


def _judge(rows: list[Row]) -> None:
    """Says once more which aims are missed. A peer's row is indented under the figure that it belongs to."""
    missed, judged, heading = [], 0, ""
    for row in rows:
        heading = heading if row.metric.startswith(" ") else row.metric
        if row.meets is not None:
            judged += 1
        if row.meets is False:
            figure = f"{row.value:.3g} {row.unit}" if row.ratio is None else f"{row.ratio:.2f}x {row.peer}"
            missed.append(f"    {heading}: {figure}, aim {row.aim}")
    print("\n".join([f"  {judged - len(missed)} of {judged} aims are met" + (", not:" if missed else ""), *missed]))


if __name__ == "__main__":
    sys.exit(main())
