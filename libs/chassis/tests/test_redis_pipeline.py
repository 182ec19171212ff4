"""Scripts that share a connection: nobody gets another's answer, whatever breaks in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from amas_chassis import redis_pipeline
from amas_chassis.clock import SystemClock
from amas_chassis.redis_pipeline import RedisAwayError, RedisPipeline, RedisRefusedError, Script, connect

from .conftest import SECONDS

pytestmark = pytest.mark.integration
ECHO = Script("return {ARGV[1]}", "0" * 40)


@pytest_asyncio.fixture
async def pipeline(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisPipeline]:
    """One to a real Redis, which a busy machine does not make one that is away."""
    monkeypatch.setattr(redis_pipeline, "TIMEOUT_SECONDS", SECONDS)
    redis = connect(redis_url)
    made = RedisPipeline(redis, SystemClock(), timeout=SECONDS)
    yield made
    await made.close()
    await redis.aclose()


async def echoed(pipeline: RedisPipeline, *words: str) -> list[Any]:
    """What each of several callers gets."""
    calls = (pipeline.call(ECHO, [], [word]) for word in words)
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_a_surprise_between_two_answers_leaves_none_of_them_behind(
    pipeline: RedisPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever reading fails with, the answers that were not read must never be those of the next callers."""
    assert await echoed(pipeline, "a", "b") == [[b"a"], [b"b"]]
    read = pipeline._read

    async def surprised() -> Any:
        monkeypatch.setattr(pipeline, "_read", read)
        raise KeyError("a fault of ours")

    monkeypatch.setattr(pipeline, "_read", surprised)
    assert [type(answer) for answer in await echoed(pipeline, "c", "d")] == [RedisAwayError] * 2
    pipeline._away_until = None
    assert await echoed(pipeline, "e", "f") == [[b"e"], [b"f"]]


@pytest.mark.parametrize(
    ("text", "answer"), [("return 7", 7), ("return ARGV[1]", b"a"), ("return false", None), ("return {}", [])]
)
async def test_an_answer_of_any_kind_is_an_answer(pipeline: RedisPipeline, text: str, answer: Any) -> None:
    """Only the absence of one is an outage."""
    assert await pipeline.call(Script(text, "2" * 40), [], ["a"]) == answer


async def test_a_refusal_is_told_from_an_outage(pipeline: RedisPipeline) -> None:
    """The caller fails closed all the same, the log says why, and those beside it get their answers."""
    broken = Script("return redis.error_reply('ERR no')", "3" * 40)
    refused, answered = await asyncio.gather(
        pipeline.call(broken, [], []), pipeline.call(ECHO, [], ["b"]), return_exceptions=True
    )
    assert isinstance(refused, RedisRefusedError)
    assert answered == [b"b"]
    assert await echoed(pipeline, "c") == [[b"c"]]


async def test_a_server_that_became_a_replica_is_left(pipeline: RedisPipeline) -> None:
    """After a failover the old connection leads to a server that takes no writes: the name leads to the new one."""
    demoted = Script("return redis.error_reply('READONLY You cannot write against a read only replica.')", "1" * 40)
    assert await echoed(pipeline, "a") == [[b"a"]]
    with pytest.raises(RedisAwayError):
        await pipeline.call(demoted, [], [])
    assert not pipeline._connection.is_connected
