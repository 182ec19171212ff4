"""Which key an attempt uses, and what becomes of a key that its provider limits or refuses."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.key_pool import REFUSED_REST, KeyPool
from amas_ai_router.domain.errors import AttemptError, FailureReason

from .provider_calls import make_target

LIMITED, REFUSED = FailureReason.RATE_LIMITED, FailureReason.KEY_REFUSED
TARGET = replace(make_target("openai", "http://x.test"), key_files=("a", "b", "c"))


class World:
    """Three keys, a clock, and a provider that fails by key."""

    def __init__(self, folder: Path) -> None:
        for name in "abc":
            (folder / name).write_text(f"sk-{name}")
        self.folder = folder
        self.now = 1000.0
        self.fails: dict[str, AttemptError] = {}
        self.asked: list[str] = []
        self.pool = KeyPool(KeyFiles(folder), now=lambda: self.now)

    async def ask(self, target: object = TARGET) -> list[str]:
        """The keys of one attempt, in the order in which they were tried."""
        self.asked = []

        async def call(key: str | None) -> None:
            self.asked.append(str(key))
            if key in self.fails:
                raise self.fails[key]

        await self.pool.run(target, call)  # type: ignore[arg-type]
        return self.asked

    async def fail(self, target: object = TARGET) -> AttemptError:
        """The failure of one attempt."""
        with pytest.raises(AttemptError) as caught:
            await self.ask(target)
        return caught.value


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Keys a, b and c."""
    return World(tmp_path)


async def test_keys_take_turns(world: World) -> None:
    """The load is spread evenly."""
    used = [key for _ in range(6) for key in await world.ask()]
    assert sorted(used) == ["sk-a", "sk-a", "sk-b", "sk-b", "sk-c", "sk-c"]


async def test_a_provider_without_keys_is_asked_without_one(world: World) -> None:
    """A local model needs none."""
    assert await world.ask(replace(TARGET, key_files=())) == ["None"]


async def test_a_limited_key_leads_to_the_next_at_once_and_rests_alone(world: World) -> None:
    """One attempt, another key; the limited one is left alone for as long as the provider asked."""
    world.fails["sk-a"] = AttemptError(LIMITED, "429", retry_after=7.0)
    assert await world.ask() == ["sk-a", "sk-b"]
    world.fails.clear()
    assert "sk-a" not in [key for _ in range(6) for key in await world.ask()]
    world.now += 7.0
    assert await world.ask() == ["sk-a"]


async def test_a_429_that_names_no_time_rests_for_the_cooldown(world: World) -> None:
    """The ModelProvider says how long."""
    target = replace(TARGET, key_files=("a",), key_cooldown=12.0)
    world.fails["sk-a"] = AttemptError(LIMITED, "429")
    assert (await world.fail(target)).retry_after == 12.0
    world.now += 11.0
    assert (await world.fail(target)).retry_after == pytest.approx(1.0)
    assert world.asked == []


async def test_with_all_keys_at_rest_the_soonest_is_named_and_nobody_is_asked(world: World) -> None:
    """Each key is tried once; then the provider is left in peace."""
    for name, wait in (("a", 9.0), ("b", 4.0), ("c", 6.0)):
        world.fails[f"sk-{name}"] = AttemptError(LIMITED, "429", retry_after=wait)
    error = await world.fail()
    assert (error.reason, error.retry_after, error.processed) == (LIMITED, 4.0, False)
    assert sorted(world.asked) == ["sk-a", "sk-b", "sk-c"]
    world.now += 1.0
    assert (await world.fail()).retry_after == 3.0
    assert world.asked == []


async def test_after_a_429_the_key_limited_longest_ago_comes_next(world: World) -> None:
    """The one most likely to have room again."""
    for name in "cb":
        world.fails = {f"sk-{name}": AttemptError(LIMITED, "429", retry_after=0.0)}
        while f"sk-{name}" not in await world.ask():
            pass
        world.now += 1.0
    world.fails = {"sk-a": AttemptError(LIMITED, "429", retry_after=0.0)}
    while (used := await world.ask())[0] != "sk-a":
        pass
    assert used == ["sk-a", "sk-c"]


async def test_a_key_rests_for_one_model_alone(world: World) -> None:
    """Providers limit models apart: the next target may be another model behind the same key."""
    target = replace(TARGET, key_files=("a",))
    world.fails["sk-a"] = AttemptError(LIMITED, "429", retry_after=60.0)
    await world.fail(target)
    world.fails.clear()
    assert await world.ask(replace(target, model="other")) == ["sk-a"]


async def test_a_refused_key_stands_behind_the_others_until_its_file_changes(world: World) -> None:
    """It is no reason to fail, and a new key is used at once."""
    world.fails["sk-a"] = AttemptError(REFUSED, "401")
    assert await world.ask() == ["sk-a", "sk-b"]
    assert "sk-a" not in [key for _ in range(6) for key in await world.ask()]
    (world.folder / "a").write_text("sk-a-new")
    assert "sk-a-new" in [key for _ in range(3) for key in await world.ask()]


async def test_refused_keys_are_still_asked_when_there_is_no_other(world: World) -> None:
    """Whoever makes a provider answer 403 cannot take its keys away from everybody; one is tried for each attempt."""
    for name in "abc":
        world.fails[f"sk-{name}"] = AttemptError(REFUSED, "403")
    assert (await world.fail()).reason is REFUSED
    assert (await world.fail()).reason is REFUSED
    assert len(world.asked) == 1
    world.fails.clear()
    assert len(await world.ask()) == 1
    world.now += REFUSED_REST
    assert sorted([key for _ in range(3) for key in await world.ask()]) == ["sk-a", "sk-b", "sk-c"]


async def test_a_missing_key_file_leads_to_the_next_key(world: World) -> None:
    """A mistake in one file does not stop the others; with none left it is told."""
    (world.folder / "a").unlink()
    used = [key for _ in range(3) for key in await world.ask()]
    assert set(used) == {"sk-b", "sk-c"}
    assert (await world.fail(replace(TARGET, key_files=("a",)))).reason is FailureReason.KEY_MISSING


async def test_other_failures_try_no_other_key(world: World) -> None:
    """What may have been processed is not repeated here."""
    world.fails["sk-a"] = AttemptError(FailureReason.SERVER_ERROR, "500")
    assert (await world.fail()).reason is FailureReason.SERVER_ERROR
    assert world.asked == ["sk-a"]


async def test_logs_name_the_file_and_not_the_key(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """An operator learns which key to look after."""
    world.fails = {"sk-a": AttemptError(REFUSED, "401"), "sk-b": AttemptError(LIMITED, "429")}
    with caplog.at_level(logging.DEBUG):
        await world.ask()
    assert "key a of p/m was refused" in caplog.text
    assert "key b of p/m rests" in caplog.text
    assert "sk-" not in caplog.text
