"""How amounts, times and places stand in tables: short, and the same everywhere."""

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

COST_DIGITS = 6


def parse_time(text: str) -> datetime | None:
    """RFC 3339 text as an aware time; None when empty or malformed."""
    try:
        parsed = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def age(text: str, now: datetime) -> str:
    """How long ago a time was: `42s`, `7m`, `3h`, `2d`."""
    moment = parse_time(text)
    return "" if moment is None else span((now - moment).total_seconds())


def until(text: str, now: datetime) -> str:
    """How long it is to a time: `in 7m`; `now` once it is there."""
    moment = parse_time(text)
    if moment is None:
        return ""
    return f"in {span((moment - now).total_seconds())}" if moment > now else "now"


def out_of(used: str, limit: str) -> str:
    """`$0.4 of $50`; only what is used where nothing limits it."""
    return f"{used or 0} of {limit}" if limit else used


def span(seconds: float) -> str:
    """A duration in its largest unit."""
    whole = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def money(cost: Any) -> str:
    """`$0.000412`, or `0.4 EUR`; empty when nothing is known."""
    if not isinstance(cost, dict) or not cost.get("amount"):
        return ""
    try:
        amount = Decimal(str(cost["amount"])).quantize(Decimal(1).scaleb(-COST_DIGITS)).normalize()
    except InvalidOperation:
        return ""
    currency = str(cost.get("currency", ""))
    # Nothing has been paid yet where there is no currency.
    return f"${amount:f}" if currency in {"USD", ""} else f"{amount:f} {currency}"


def tokens(usage: Any) -> str:
    """`1204+85`: input and output tokens."""
    if not isinstance(usage, dict):
        return ""
    return f"{int(usage.get('input_tokens', 0))}+{int(usage.get('output_tokens', 0))}"


def compact(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
