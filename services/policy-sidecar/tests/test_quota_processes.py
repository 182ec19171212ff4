"""Three real processes under one quota, in one store."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from amas_chassis.clock import SystemClock
from amas_governance.revocations import Revoked
from amas_policy_sidecar.adapters.redis_revocations import RedisRevocations
from redis import Redis

# For all three to start and end, in seconds.
SECONDS = 120.0


async def nothing_revoked(url: str) -> None:
    """The store knows that nothing is."""
    revocations = RedisRevocations.connect(url, SystemClock())
    await revocations.replace(Revoked(1))
    await revocations.close()


@pytest.mark.integration
def test_three_processes_never_exceed_a_quota(redis_url: str) -> None:
    """They ask for many times what there is at once: no amount is passed, and nothing stays held."""
    asyncio.run(nothing_revoked(redis_url))
    command = [sys.executable, "-m", f"{__package__}.quota_hammer"]
    root = Path(__file__).parents[len(str(__package__).split("."))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)])}
    running = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write(f"{redis_url}\n")
            process.stdin.flush()
        told = [json.loads(process.communicate(timeout=SECONDS)[0]) for process in running]
    finally:
        for process in running:
            process.kill()
    sums = {name: sum(one[name] for one in told) for name in told[0]}
    assert sums["calls"] <= 90
    assert sums["bytes_out"] <= 6_000
    assert sums["bytes_in"] <= 400_000
    assert sums["seconds"] <= 100.0
    # One of them was used up as far as it goes: less than one call more would have taken.
    assert sums["calls"] == 90 or sums["bytes_out"] > 5_800 or sums["bytes_in"] > 380_000 or sums["seconds"] > 96.0
    with Redis.from_url(redis_url) as store:
        tenant, tool = (store.hgetall(f"amas:quota:{{acme}}:used:{name}") for name in ("tenant", "tool"))
        assert not store.keys("*:holds:*")
    for counter in (tenant, tool):
        assert (int(counter[b"c"]), int(counter[b"o"])) == (sums["calls"], sums["bytes_out"])
        assert int(counter[b"i"]) == sums["bytes_in"]
        assert int(counter[b"t"]) / 1e6 == pytest.approx(sums["seconds"])
        assert (counter[b"hi"], counter[b"ht"]) == (b"0", b"0")
