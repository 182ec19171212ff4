"""Real processes under one quota, in one store: three at once, and one that is killed."""

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
from amas_policy_sidecar.adapters import redis_quota
from amas_policy_sidecar.adapters.redis_revocations import RedisRevocations
from amas_policy_sidecar.domain.quota import QuotaAnswer
from redis import Redis

from .processes import PATIENCE, PAUSE
from .quota_claims import claim
from .quota_holder import BRIEF, LONG

# For all three to start and end, in seconds.
SECONDS = 300.0


async def nothing_revoked(url: str) -> None:
    """The store knows that nothing is."""
    revocations = RedisRevocations.connect(url, SystemClock())
    await revocations.replace(Revoked(1))
    await revocations.close()


def started(module: str) -> subprocess.Popen[str]:
    """A process of a module beside this one; it waits for the store's URL."""
    command = [sys.executable, "-m", f"{__package__}.{module}"]
    root = Path(__file__).parents[len(str(__package__).split("."))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)])}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(400)
@pytest.mark.integration
def test_three_processes_never_exceed_a_quota(redis_url: str) -> None:
    """They ask for many times what there is at once: no amount is passed, and nothing stays held."""
    asyncio.run(nothing_revoked(redis_url))
    running = [started("quota_hammer") for _ in range(3)]
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


@pytest.mark.integration
def test_what_a_killed_process_holds_is_free_after_its_lease(redis_url: str) -> None:
    """Place, room for the answer and time come back by themselves, and not before; what was counted stays so."""
    asyncio.run(nothing_revoked(redis_url))
    process = started("quota_holder")
    try:
        process.stdin.write(f"{redis_url}\n")  # type: ignore[union-attr]  # it is a pipe
        process.stdin.flush()  # type: ignore[union-attr]
        told = [process.stdout.readline() for _ in range(2)]  # type: ignore[union-attr]
    finally:
        process.kill()
        process.communicate()
    assert told == ["ready\n", "held\n"]
    assert asyncio.run(afterwards(redis_url)) == [QuotaAnswer.GRANTED, QuotaAnswer.EXCEEDED, QuotaAnswer.BUSY]


async def afterwards(url: str) -> list[QuotaAnswer]:
    """What another process is told once the brief lease has ended: twice under its bound, then under the long one."""
    quota = redis_quota.RedisQuota.connect(url, SystemClock())
    async with asyncio.timeout(PATIENCE):
        while (verdict := await quota.take(claim("next", BRIEF))).answer is QuotaAnswer.BUSY:  # noqa: ASYNC110 - no event
            await asyncio.sleep(PAUSE)
    last = [await quota.take(claim("third", BRIEF)), await quota.take(claim("other", LONG))]
    await quota.close()
    return [one.answer for one in (verdict, *last)]
