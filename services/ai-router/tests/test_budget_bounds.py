"""The most that an attempt can cost: never less than what any provider could make of it."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from amas_ai_router.domain import call_bounds
from amas_ai_router.domain.call_bounds import dearest, most_input, most_of, most_output, named_bound
from amas_ai_router.domain.model import Operation, Target
from amas_ai_router.domain.routing import compile_routing
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.resources import Price
from hypothesis import given
from hypothesis import strategies as st

from .budget_fakes import make_rule
from .fakes import make_bundle

DAY = datetime.date(2026, 3, 1)
MESSAGES = [{"role": "user", "content": "hello"}]


def price(day: str = "2020-01-01", given: str = "1", made: str = "2", **more: Any) -> Price:
    """USD for a million."""
    fields = {
        "from": datetime.date.fromisoformat(day),
        "inputPerMillion": given,
        "outputPerMillion": made,
        "currency": "USD",
        **more,
    }
    return Price.model_validate(fields)


def target(*prices: Price) -> Target:
    """The first target of the bundle, at these prices."""
    (first, _) = compile_routing(make_bundle()).routes["default"].targets
    return replace(first, prices=prices, max_output_tokens=1000)


@given(text=st.text(max_size=200))
def test_bytes_bound_the_tokens_of_text(text: str) -> None:
    """A byte is at most a token, in any script."""
    fields = {"messages": [{"role": "user", "content": text}]}
    assert most_input(fields) >= len(text.encode("utf-8", "surrogatepass")) + call_bounds.TEMPLATE_TOKENS


def test_parts_that_are_no_text_have_flat_bounds() -> None:
    """An image counts as one, however many bytes carry it; what we do not know counts with its bytes."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    text = {"type": "text", "text": "x" * 1000}
    fields = {"messages": [{"role": "user", "content": [text, picture, picture]}]}
    assert 2 * call_bounds.IMAGE_TOKENS + 1000 < most_input(fields) < 2 * call_bounds.IMAGE_TOKENS + 1400
    for kind in ("input_audio", "file", "hologram", None):
        part = {"type": kind, "data": "A" * 500}
        fields = {"messages": [{"role": "user", "content": [part]}]}
        assert most_input(fields) > call_bounds.OTHER_PART_TOKENS + 500
    with_tools = {"messages": MESSAGES, "tools": [{"type": "function"}]}
    assert most_input(with_tools) > call_bounds.TOOLS_TOKENS + len(orjson.dumps(with_tools))


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, 1000),
        ({"max_tokens": None}, 1000),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 9, "max_tokens": 7}, 9),
        ({"max_tokens": 5000}, 5000),
        ({"max_tokens": 7, "n": 3}, 21),
        ({"n": 2}, 2000),
    ],
)
def test_an_answer_is_bounded_by_the_request_or_the_model(fields: dict[str, Any], most: int) -> None:
    """Each choice can be as long as the bound."""
    assert most_output(Operation.CHAT, {"messages": MESSAGES, **fields}, target()) == most
    assert most_output(Operation.EMBEDDINGS, {"input": "x", **fields}, target()) == 0


def test_a_rejected_prediction_is_paid_for() -> None:
    """Its tokens are billed as output beyond the bound."""
    fields = {"messages": MESSAGES, "max_tokens": 5, "prediction": {"type": "content", "content": "x" * 100}}
    assert most_output(Operation.CHAT, fields, target()) > 105


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "9", True, 2**60, [1]])
def test_a_bound_that_could_be_read_otherwise_is_refused(name: str, value: object) -> None:
    """What a lenient provider might take for something larger bounds nothing."""
    with pytest.raises(AmasError) as caught:
        most_output(Operation.CHAT, {"messages": MESSAGES, name: value}, target())
    assert caught.value.reason == "BODY_INVALID"


def test_the_cost_is_that_of_the_dearer_input() -> None:
    """Cached input may cost more than fresh; input and output add up exactly."""
    fields = {"messages": MESSAGES, "max_tokens": 10}
    given_most = most_input(fields)
    rules = (make_rule(cost="1"),)
    for prices, each in ((price(), 1), (price(cachedInputPerMillion="0.1"), 1), (price(cachedInputPerMillion="3"), 3)):
        most = most_of(Operation.CHAT, fields, target(prices), rules, DAY)
        assert most.cost == Decimal(given_most * each + 10 * 2) / 1_000_000
        assert most.tokens == given_most + 10


def test_a_price_that_rises_at_midnight_counts_already() -> None:
    """The call may end tomorrow; a price that falls is not counted on."""
    dear = target(price(), price("2026-03-02", given="5", made="1", cachedInputPerMillion="9"))
    found = dearest(dear, DAY)
    assert found is not None
    assert (found.input_per_million, found.cached_input_per_million, found.output_per_million) == (5, 9, 2)
    assert dearest(dear, DAY - datetime.timedelta(days=1)) == price()


@pytest.mark.parametrize(
    "prices", [(), (price(currency="EUR"),), (price("2026-03-02"),)], ids=["none", "other", "later"]
)
def test_a_budget_in_money_refuses_what_has_no_price(prices: tuple[Price, ...]) -> None:
    """What cannot be bounded is not sent; a budget in tokens does not mind."""
    with pytest.raises(AmasError) as caught:
        most_of(Operation.CHAT, {"messages": MESSAGES}, target(*prices), (make_rule(cost="1"),), DAY)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.FAILED_PRECONDITION, "PRICE_MISSING")
    most = most_of(Operation.CHAT, {"messages": MESSAGES}, target(), (make_rule(tokens=1),), DAY)
    assert most.cost == 0


def test_a_named_bound_is_seen() -> None:
    """Where a request names one, none is put in."""
    assert named_bound({"max_tokens": 3}) == 3
    assert named_bound({"max_tokens": None}) is None
