"""Three real router processes on one Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from .budget_hammer import LIMIT

# For all three to start and end, in seconds.
SECONDS = 60.0


def say(process: subprocess.Popen[str], line: str) -> None:
    """Writes a line that the process waits for."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


@pytest.mark.integration
def test_three_processes_never_settle_more_than_the_limit(redis_url: str) -> None:
    """I5: they ask for some six times the budget at once: it is used up, not passed, and nothing stays held."""
    command = [sys.executable, "-m", f"{__package__}.budget_hammer"]
    root = Path(__file__).parents[len(str(__package__).split("."))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)])}
    running = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for process in running:
            say(process, redis_url)
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            say(process, "go")
        told = [process.communicate(timeout=SECONDS)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    settled = [int(text) for text in told]
    with Redis.from_url(redis_url) as redis:
        counters = [redis.hgetall(key) for key in redis.keys("*:used:*")]
    assert all(amount > 0 for amount in settled)
    assert LIMIT - 40 <= sum(settled) <= LIMIT
    assert [int(counter[b"t"]) for counter in counters] == [sum(settled)] * 2
    assert [int(counter[b"c"]) for counter in counters] == [sum(settled)] * 2
    assert [(int(counter[b"hc"]), int(counter[b"ht"])) for counter in counters] == [(0, 0)] * 2
