"""What a call costs, by the price of the day. Money is Decimal all the way: never a float."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from amas_governance.resources import Price

from .model import Tokens, Usage

_MILLION = Decimal(1_000_000)
# Ten decimals hold one token at a price of 0.0001 a million, and are what the ledger stores.
QUANTUM = Decimal("0.0000000001")


def price_on(prices: Sequence[Price], day: datetime.date) -> Price | None:
    """The price that holds on a day (UTC), or None before the first; `prices` are in the order of their days."""
    for price in reversed(prices):
        if price.from_ <= day:
            return price
    return None


def usage_of(tokens: Tokens, prices: Sequence[Price], day: datetime.date) -> Usage:
    """Tokens with their cost; a model without a price on that day costs nothing and names no currency."""
    price = price_on(prices, day)
    if price is None:
        return Usage(tokens, Decimal(0), "")
    # A provider that says more was cached than sent must not make the rest negative.
    cached = min(tokens.cached_input, tokens.input)
    cached_price = price.input_per_million if price.cached_input_per_million is None else price.cached_input_per_million
    total = (
        (tokens.input - cached) * price.input_per_million
        + cached * cached_price
        + tokens.output * price.output_per_million
    )
    return Usage(tokens, (total / _MILLION).quantize(QUANTUM, ROUND_HALF_EVEN), price.currency)


def format_cost(cost: Decimal) -> str:
    """Plain decimal text without needless zeros."""
    return f"{cost.normalize():f}"
