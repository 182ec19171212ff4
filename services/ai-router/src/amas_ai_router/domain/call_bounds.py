"""The most that one attempt can use, so that a budget can hold it before the provider is asked.

Bounds, not estimates: a tokenizer makes at most one token of a byte, so the bytes of the request bound its text. What
is not text (images, audio, files) has a flat bound of its own. Prices beyond the table (search, tiers) are not known
here.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import orjson
from amas_governance.resources import Price

from .budget_errors import price_missing
from .budgets import Amount, BudgetRule
from .errors import body_invalid
from .model import Operation, Target
from .pricing import price_on

# Tokens of one image: gpt-4o-mini counts up to 36,835 for one in high detail, everything else seen far less.
IMAGE_TOKENS = 40_000
# Tokens of one part of any other kind that is not text: audio, video, files, and kinds of tomorrow.
OTHER_PART_TOKENS = 200_000
# Tokens that a provider adds of its own: the chat template, and what it tells a model about tools (Anthropic: some
# hundreds).
TEMPLATE_TOKENS = 64
TOOLS_TOKENS = 1_024
# Bounds of an answer stand in one of these; both are honoured by somebody, so the larger counts.
MAX_TOKENS_FIELDS = ("max_completion_tokens", "max_tokens")
MAX_CHOICES = 128
_MILLION = Decimal(1_000_000)
_TEXT_PARTS = frozenset({"text", "refusal"})


def most_of(
    operation: Operation, fields: dict[str, Any], target: Target, rules: tuple[BudgetRule, ...], day: datetime.date
) -> Amount:
    """The most that a call can use on a target.

    Raises PRICE_MISSING if a rule counts in money for which the target has no price, and BODY_INVALID for bounds that
    make no sense.
    """
    given, made = most_input(fields), most_output(operation, fields, target)
    price = dearest(target, day)
    for rule in rules:
        if rule.cost is not None and (price is None or price.currency != rule.currency):
            raise price_missing(target.name, rule)
    if price is None:
        return Amount(Decimal(0), given + made)
    cached = price.cached_input_per_million
    each = price.input_per_million if cached is None else max(price.input_per_million, cached)
    return Amount((given * each + made * price.output_per_million) / _MILLION, given + made)


def most_input(fields: dict[str, Any]) -> int:
    """Tokens that the request can have, at most."""
    flat, apart = _parts_that_are_no_text(fields.get("messages"))
    tools = TOOLS_TOKENS if fields.get("tools") or fields.get("functions") else 0
    return len(orjson.dumps(fields)) - apart + flat + tools + TEMPLATE_TOKENS


def most_output(operation: Operation, fields: dict[str, Any], target: Target) -> int:
    """Tokens that all choices of the answer can have together; vectors are no tokens."""
    if operation is not Operation.CHAT:
        return 0
    named = named_bound(fields)
    choices = _whole(fields, "n", MAX_CHOICES) or 1
    # Tokens of a prediction that the model rejects are billed as output beyond its bound.
    predicted = len(orjson.dumps(fields["prediction"])) if fields.get("prediction") else 0
    return ((target.max_output_tokens if named is None else named) + predicted) * choices


def named_bound(fields: dict[str, Any]) -> int | None:
    """The bound of each choice that the request names; None if it names none."""
    bounds = [bound for name in MAX_TOKENS_FIELDS if (bound := _whole(fields, name, 2**40)) is not None]
    return max(bounds, default=None)


def dearest(target: Target, day: datetime.date) -> Price | None:
    """The price of the day, each part no lower than that of the next day: an answer may come after midnight."""
    today, tomorrow = (price_on(target.prices, day + datetime.timedelta(days=ahead)) for ahead in (0, 1))
    if today is None or tomorrow is None or tomorrow is today or tomorrow.currency != today.currency:
        return today
    cached = [price.cached_input_per_million or Decimal(0) for price in (today, tomorrow)]
    return today.model_copy(
        update={
            "input_per_million": max(today.input_per_million, tomorrow.input_per_million),
            "cached_input_per_million": max(cached),
            "output_per_million": max(today.output_per_million, tomorrow.output_per_million),
        }
    )


def _whole(fields: dict[str, Any], name: str, most: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    # A bound that the provider might read in another way than we do is no bound.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise body_invalid(f"`{name}` is not a whole number from 1 to {most}")
    return value


def _parts_that_are_no_text(messages: object) -> tuple[int, int]:
    """Flat tokens of such parts, and their bytes, which do not count as text."""
    flat = apart = 0
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind in _TEXT_PARTS:
                continue
            if kind == "image_url":
                flat += IMAGE_TOKENS
                apart += len(orjson.dumps(part))
            else:
                # Its bytes stay counted: nobody knows what a provider makes of them.
                flat += OTHER_PART_TOKENS
        if isinstance(message, dict) and message.get("audio"):
            flat += OTHER_PART_TOKENS
    return flat, apart
