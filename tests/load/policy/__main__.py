"""`make bench-policy`: what a decision costs, and what the detectors find, beside others on this machine.

python -m tests.load.policy [--parts decisions in-process detection] [--quick]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable

import uvloop

from ..machine import load_row
from ..report import Row, publish, versions
from . import decisions, detection, in_process, peers

PARTS: dict[str, Callable[[bool], list[Row]]] = {
    "decisions": lambda quick: uvloop.run(decisions.measure(quick=quick)),
    "in-process": lambda quick: uvloop.run(in_process.measure(quick=quick)),
    "detection": lambda quick: detection.measure(quick=quick),
}


def main() -> int:
    """Measures the parts one after the other; fails only if something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.policy", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--quick", action="store_true", help="to see that it works, not for numbers")
    options = parser.parse_args()
    rows = [load_row()]
    for part in options.parts:
        print(f"policy: {part} ...", file=sys.stderr)
        rows += PARTS[part](options.quick)
    measured = versions("grpcio", "wasmtime", "hyperscan") | {
        "opa": _opa_version(),
        "presidio-analyzer": peers.PRESIDIO_VERSION,
        "agent-governance-toolkit": peers.TOOLKIT_VERSION,
    }
    publish("policy", measured, rows, "make bench-policy" + (" (quick)" if options.quick else ""))
    return 0


def _opa_version() -> str:
    program = shutil.which("opa")
    if program is None:
        return "none"
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    return told.split()[1]


if __name__ == "__main__":
    sys.exit(main())
