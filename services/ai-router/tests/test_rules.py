"""The pure rules: order of targets, prices, usage, bodies, events, keys."""

from __future__ import annotations

import datetime
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.providers import events
from amas_ai_router.domain import bodies
from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.errors import AttemptError, FailureReason, all_failed
from amas_ai_router.domain.latency import MAX_TARGETS, STALE_SECONDS, LatencyBook
from amas_ai_router.domain.model import Route, Strategy, Target, Tokens
from amas_ai_router.domain.pricing import usage_of
from amas_ai_router.domain.selection import order
from amas_ai_router.domain.stream_chunks import parse_chunk
from amas_governance.resources import ModelRouteSpec, Price
from amas_governance.resources.model_route import Target as RouteTarget
from hypothesis import given
from hypothesis import strategies as st


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a test that draws the same each time


FIXED = seeded(1)


def target(name: str, weight: int = 1) -> Target:
    return Target(name, "m", "openai", "http://x.test", (), 1.0, 2.0, weight, (), 4096, "max_tokens", "", "", 30.0)


def route_over(strategy: Strategy, targets: tuple[Target, ...]) -> Route:
    named = tuple(RouteTarget(provider=found.provider, model=found.model) for found in targets)
    return Route("r", strategy, targets, ModelRouteSpec(targets=named))


def price(day: str, given_price: str, made: str, cached: str | None = None) -> Price:
    return Price.model_validate(
        {
            "from": datetime.date.fromisoformat(day),
            "inputPerMillion": given_price,
            "outputPerMillion": made,
            "currency": "USD",
        }
        | ({"cachedInputPerMillion": cached} if cached else {})
    )


THREE = (target("a", 6), target("b", 3), target("c", 1))


def test_priority_keeps_the_order_as_written() -> None:
    """The first target is asked first, always."""
    assert order(route_over(Strategy.PRIORITY, THREE), "chat", LatencyBook(), FIXED, 0.0) == THREE


def test_weights_decide_how_often_a_target_comes_first() -> None:
    """Shares follow the weights, and each target appears exactly once."""
    random, route = seeded(7), route_over(Strategy.WEIGHTED, THREE)
    orders = [order(route, "chat", LatencyBook(), random, 0.0) for _ in range(5000)]
    assert all(set(found) == set(THREE) for found in orders)
    first = Counter(found[0].provider for found in orders)
    assert first["a"] / 5000 == pytest.approx(0.6, abs=0.04)
    assert first["c"] / 5000 == pytest.approx(0.1, abs=0.03)


def test_least_latency_asks_the_fastest_first_and_learns() -> None:
    """A target without a history is tried; one that slows down or fails sinks."""
    book, route = LatencyBook(), route_over(Strategy.LEAST_LATENCY, THREE)
    names = lambda: [found.provider for found in order(route, "chat", book, FIXED, 0.0)]  # noqa: E731 - read four times
    times = {found.provider: book.of(found, "chat", 0.0) for found in THREE}
    for name, seconds in (("a", 0.5), ("b", 0.1)):
        times[name].observe(seconds, 0.0)
    assert names() == ["c", "b", "a"]
    times["c"].observe(0.3, 0.0)
    assert names() == ["b", "c", "a"]
    times["b"].failed(0.0)
    assert names() == ["c", "a", "b"]
    for _ in range(60):
        times["b"].observe(0.1, 0.0)
    assert names() == ["b", "c", "a"]


def test_a_target_that_was_slow_long_ago_is_tried_by_one_call() -> None:
    """Without this a target that failed once would never be asked again."""
    book, route = LatencyBook(), route_over(Strategy.LEAST_LATENCY, THREE[:2])
    first, second = (book.of(found, "chat", 0.0) for found in THREE[:2])
    first.failed(0.0)
    second.observe(0.1, 0.0)
    later = STALE_SECONDS + 1
    second.observe(0.1, later)
    firsts = [order(route, "chat", book, FIXED, later)[0].provider for _ in range(3)]
    assert firsts == ["a", "b", "b"]


def test_the_latency_book_is_bounded() -> None:
    """However many targets bundles name, the book forgets the ones unused for longest."""
    book = LatencyBook()
    for number in range(MAX_TARGETS + 1):
        book.of(target(str(number)), "chat", 0.0).observe(1.0, 0.0)
    assert book.of(target("1"), "chat", 0.0).expected(0.0) == 1.0
    assert book.of(target("0"), "chat", 0.0).expected(0.0) == 0.0


PRICES = (price("2026-01-01", "1", "2"), price("2026-06-01", "0.25", "2.00", cached="0.025"))


@pytest.mark.parametrize(("day", "cost"), [("2026-05-31", "3.000000"), ("2026-06-01", "2.25"), ("2025-12-31", "0")])
def test_the_price_of_the_day_holds(day: str, cost: str) -> None:
    """A price list is dated: a call costs what it cost on its day (UTC)."""
    used = usage_of(Tokens(1_000_000, 0, 1_000_000), PRICES, datetime.date.fromisoformat(day))
    assert used.cost == Decimal(cost)
    assert used.currency == ("USD" if cost != "0" else "")


def test_cached_input_has_its_own_price() -> None:
    """Only the part that was not cached costs the full price; without a cached price all of it does."""
    day = datetime.date(2026, 6, 1)
    assert usage_of(Tokens(1_000_000, 400_000, 0), PRICES, day).cost == Decimal("0.16")
    assert usage_of(Tokens(1_000_000, 400_000, 0), PRICES, datetime.date(2026, 1, 1)).cost == Decimal(1)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_money_is_exact_and_never_negative(given_tokens: int, cached: int, made: int) -> None:
    """Whatever a provider reports, a cost is at least nothing and adds up without a float."""
    cost = usage_of(Tokens(given_tokens, cached, made), PRICES, datetime.date(2026, 7, 1)).cost
    charged = min(cached, given_tokens)
    exact = (given_tokens - charged) * Decimal("0.25") + charged * Decimal("0.025") + made * Decimal(2)
    assert cost == exact / 1_000_000
    assert cost >= 0


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, Tokens(5, 0, 2)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}, Tokens(5, 3, 2)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None}, Tokens(5, 0, 2)),
        ({"prompt_tokens": 5}, Tokens(5, 0, 0)),
        ({"prompt_tokens": -5, "completion_tokens": 2}, None),
        ({"prompt_tokens": "5", "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"prompt_tokens": 1 << 60, "completion_tokens": 2}, None),
        (None, None),
        ("many", None),
    ],
)
def test_reported_usage_is_believed_only_where_it_makes_sense(usage: object, tokens: Tokens | None) -> None:
    """Nonsense usage is no usage: the router then counts by itself."""
    assert bodies.reported_tokens({"usage": usage}) == tokens


def test_a_chunk_is_one_line() -> None:
    """Chunks that came over several lines are made one line, so that a kept stream can be taken apart again."""
    parsed = parse_chunk(b'{"choices":\n[{"delta":{"content":"a"}}]}')
    assert b"\n" not in parsed.data
    assert (parsed.begins, parsed.text_bytes) == (True, 1)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40), max_size=8), st.data())
def test_events_are_the_same_however_they_are_cut(texts: list[str], data: st.DataObject) -> None:
    """TCP may cut anywhere, in a character too: the events do not change."""
    wire = b"".join(b": ping\r\n\r\nevent: x\ndata: " + text.encode() + b"\r\n\r\n" for text in texts)
    reader, found, at = events.EventReader(), [], 0
    while at < len(wire):
        size = data.draw(st.integers(1, 17))
        found += reader.feed(wire[at : at + size])
        at += size
    assert found == [text.encode() for text in texts]


def test_an_event_of_several_data_lines_is_joined() -> None:
    """WHATWG HTML 9.2.6: data lines of one event are joined with a line feed; a space after the colon is optional."""
    assert events.EventReader().feed(b"data:a\ndata: b\n\n") == [b"a\nb"]


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 70_000, b"data:\n" * 12_000, b"y" * 70_000])
def test_an_endless_event_is_refused_in_bounded_memory(endless: bytes) -> None:
    """A line or an event that does not end is cut at the bound."""
    reader = events.EventReader()

    def feed_twice_the_bound() -> None:
        for _ in range(2 * events.MAX_EVENT_BYTES // len(endless) + 2):
            reader.feed(endless)

    with pytest.raises(events.EventTooLargeError):
        feed_twice_the_bound()


def test_keys_are_read_again_when_they_change(tmp_path: Path) -> None:
    """A key rotates without a restart, and no text shows one."""
    (tmp_path / "one").write_text("sk-1\n")
    keys = KeyFiles(tmp_path)
    assert keys.read("one").text == "sk-1"
    (tmp_path / "one").write_text("sk-rotated\n")
    assert keys.read("one").text == "sk-rotated"
    assert "sk-" not in repr(keys.read("one"))


@pytest.mark.parametrize("name", ["missing", "../outside", "..", "", "empty", "binary", "huge", "two-lines"])
def test_what_is_no_key_is_a_failed_attempt(tmp_path: Path, name: str) -> None:
    """A missing or broken key file leads to the next target, and no path leads out of the folder."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (tmp_path / "outside").write_text("sk-outside")
    (folder / "empty").write_text("\n")
    (folder / "binary").write_bytes(b"\xff\xfe")
    (folder / "huge").write_text("k" * 20_000)
    (folder / "two-lines").write_text("sk-1\nsk-2")
    with pytest.raises(AttemptError) as caught:
        KeyFiles(folder).read(name)
    assert caught.value.reason is FailureReason.KEY_MISSING
    assert "sk-" not in str(caught.value)


def test_the_cache_forgets_what_was_unused_for_longest() -> None:
    """A bound holds, and use keeps an entry alive."""
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)


def test_error_details_stay_small_enough_for_trailers() -> None:
    """However many targets failed, the status details stay below what clients take."""
    error = all_failed(AttemptError(FailureReason.TIMEOUT, "x"), [f"{'p' * 60}/{'m' * 100}: TIMEOUT"] * 32)
    assert len(error.metadata["attempts"]) < 2000
