"""Everything that the benchmark needs at once: upstreams, our platform and the peers, pinned and warmed up."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from . import systems
from .measure import LOAD_CORE, SYSTEM_CORE, run_load
from .ours import NAME, ROUTER_PARTS, BenchPlatform, running_ours
from .peers import NotInstalledError
from .plan import Plan
from .processes import NotStartedError, free_port, pin
from .systems import System

WARM_UP_S = 2.0
STORES = ("valkey", "postgres", "audit", "policy-sidecar")
"""Parts of ours that work at a call besides the two that count; their CPU is printed apart."""


@dataclass
class Stage:
    """What runs."""

    folder: Path
    platform: BenchPlatform
    ours: System
    upstream: System
    second: System
    """Another upstream, which may be killed."""
    others: list[System] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Why a peer is not here."""

    def kill(self) -> None:
        """Kills the second upstream, with nothing said to anybody."""
        psutil.Process(self.second.parts[systems.UPSTREAM]).kill()

    def systems(self) -> list[System]:
        """All that are compared, the upstream alone among them."""
        return [self.upstream, self.ours, *self.others]


@contextlib.contextmanager
def stage(peers: Iterable[str]) -> Iterator[Stage]:
    """Starts everything, with the named peers."""
    with tempfile.TemporaryDirectory(prefix="amas-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(systems.upstream(folder))
        second = stack.enter_context(systems.upstream(folder))
        platform = stack.enter_context(running_ours(folder / "platform", urls(upstream, second)))
        ours = _ours(platform)
        found = Stage(folder, platform, ours, upstream, second)
        for peer in peers:
            try:
                found.others.append(stack.enter_context(systems.STARTERS[peer](folder, urls(upstream, second)["good"])))
            except (NotInstalledError, NotStartedError, AssertionError) as error:
                found.left_out[peer] = str(error)
                print(f"router: {peer} is left out: {error}", file=sys.stderr)
        _pin(found)
        for system in found.systems():
            for stream in (False, True):
                run_load(Plan(system.endpoint, "closed", WARM_UP_S, stream=stream, connections=10))
        yield found


def urls(upstream: System, second: System) -> dict[str, str]:
    """The base URLs of the providers, each of which behaves in one way."""
    first, other = (f"http://127.0.0.1:{system.endpoint.port}" for system in (upstream, second))
    behaviours = {name: f"{first}/{name}/v1" for name in ("reset", "hang", "idle")}
    refused = f"http://127.0.0.1:{free_port()}/v1"
    return {"good": f"{first}/ok/v1", "refused": refused, "dying": f"{other}/ok/v1", **behaviours}


def _ours(platform: BenchPlatform) -> System:
    pids = {part["name"]: int(part["pid"]) for part in platform.parts()["parts"]}
    parts = {name: pids[name] for name in (*ROUTER_PARTS, *STORES)}
    return System(NAME, platform.endpoint(), parts, counted=ROUTER_PARTS)


def _pin(found: Stage) -> None:
    """What is compared on one core, everything that serves it on the other."""
    if len(psutil.Process().cpu_affinity()) < 2:
        print("router: one core only: nothing is pinned", file=sys.stderr)
        return
    for system in (found.upstream, found.second):
        pin(system.parts[systems.UPSTREAM], LOAD_CORE)
    for part in found.platform.parts()["parts"]:
        if part["pid"] and part["name"] != "supervisor":
            pin(int(part["pid"]), SYSTEM_CORE if part["name"] in ROUTER_PARTS else LOAD_CORE)
    for system in found.others:
        for pid in system.parts.values():
            pin(pid, SYSTEM_CORE)
