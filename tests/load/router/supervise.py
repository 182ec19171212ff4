"""`amas up` as users have it, but for what a benchmark must change, and that is all of it:

- the gateway's rate limits are out of the way, since what is measured is the platform and not its limits;
- on request one service runs under the profiler.

    AMAS_HOME=FOLDER python -m tests.load.router.supervise [--profile FOLDER] < options

Says `ready` on standard output and stays until SIGTERM. The parts, their settings and their order are the CLI's own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from amas_cli.local.environment import Wiring
from amas_cli.local.events import Event, PlatformFailed, PlatformReady
from amas_cli.local.home import Home
from amas_cli.local.options import UpOptions
from amas_cli.local.platform_plan import RUN_PART, PlatformPlan
from amas_cli.local.processes import ProcessSpec
from amas_cli.local.supervisor import Supervisor

# Requests a second of a tenant or a principal: far beyond what two cores can carry.
RAISED = "1000000/s,burst=1000000"
LIMITS = ("AMAS_GATEWAY_LIMIT_MODEL_TENANT", "AMAS_GATEWAY_LIMIT_MODEL_PRINCIPAL")
PROFILED = ("gateway", "ai-router")


def amended(spec: ProcessSpec, profiles: Path | None) -> ProcessSpec:
    """A part's specification with what a benchmark changes."""
    if spec.name == "gateway":
        spec = replace(spec, environment={**spec.environment, **dict.fromkeys(LIMITS, RAISED)})
    if profiles is not None and spec.name in PROFILED:
        python, safe, _, *module = spec.argv
        profiler = ("-m", "cProfile", "-o", str(profiles / f"{spec.name}.prof"), "-m")
        spec = replace(spec, argv=(python, safe, *profiler, *module))
    return spec


def _report(event: Event) -> None:
    if isinstance(event, PlatformReady):
        print("ready", flush=True)
    elif isinstance(event, PlatformFailed):
        print("\n".join([event.message, *event.details]), file=sys.stderr, flush=True)


def main() -> int:
    """Runs the platform until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", type=Path, help="folder for the profiles of the gateway and the ai-router")
    profiles = parser.parse_args().profile
    os.umask(0o077)

    def plan(wiring: Wiring, run_part: RUN_PART) -> PlatformPlan:
        return PlatformPlan(wiring, lambda spec: run_part(amended(spec, profiles)))

    options = UpOptions.from_json(sys.stdin.readline())
    return int(asyncio.run(Supervisor(Home.from_environment(), options, _report, plan).run()))


if __name__ == "__main__":
    sys.exit(main())
