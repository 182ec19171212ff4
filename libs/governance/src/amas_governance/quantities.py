"""Quantities as people write them (`30s`, `64Ki`, `60/m`, `10%`, money) and as the code counts them.

Money is never a float: amounts are decimal strings with a currency. Each parser refuses what the canonical form
could not give back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_DURATION_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE_UNITS = {"": 1, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_RATE_UNITS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,15})(Ki|Mi|Gi)?")
_RATE = re.compile(r"([1-9][0-9]{0,8})/(s|m|h)")
_PERCENT = re.compile(r"([0-9]{1,3})%")
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")


def parse_duration(text: Any) -> float:
    """Seconds of `500ms`, `30s`, `10m`, `1h` or `7d`; raises ValueError otherwise or for no time at all."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError("expected a duration such as 500ms, 30s, 10m or 1h")
    return int(match[1]) * _DURATION_UNITS[match[2]] / 1000


def format_duration(seconds: float) -> str:
    """The shortest exact form, in the largest unit up to hours that gives a whole number."""
    milliseconds = round(seconds * 1000)
    for unit in ("h", "m", "s"):
        if milliseconds % _DURATION_UNITS[unit] == 0:
            return f"{milliseconds // _DURATION_UNITS[unit]}{unit}"
    return f"{milliseconds}ms"


def parse_size(value: Any) -> int:
    """Bytes of `64Ki`, `1Mi`, `2Gi` or a whole number; raises ValueError otherwise."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a size in bytes such as 512, 64Ki or 1Mi")
    return int(match[1]) * _SIZE_UNITS[match[2] or ""]


def format_size(size: int) -> str:
    """The size in the largest unit that gives a whole number."""
    for unit in ("Gi", "Mi", "Ki"):
        if size and size % _SIZE_UNITS[unit] == 0:
            return f"{size // _SIZE_UNITS[unit]}{unit}"
    return str(size)


@dataclass(frozen=True)
class Rate:
    """At most `count` in each span of `per` seconds."""

    count: int
    per: float

    def __str__(self) -> str:
        """`60/m`, as it is written in a resource."""
        unit = next(unit for unit, seconds in _RATE_UNITS.items() if seconds == self.per)
        return f"{self.count}/{unit}"


def parse_rate(value: Any) -> Rate:
    """The rate of `5/s`, `60/m` or `1000/h`; raises ValueError otherwise."""
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a rate such as 5/s, 60/m or 1000/h")
    return Rate(int(match[1]), float(_RATE_UNITS[match[2]]))


def parse_percent(value: Any) -> float:
    """The ratio (0 to 1) of `10%`; raises ValueError otherwise or above 100%."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > 100:
        raise ValueError("expected a percentage from 0% to 100%")
    return int(match[1]) / 100


def format_percent(ratio: float) -> str:
    """`0.1` as `10%`."""
    return f"{round(ratio * 100)}%"


def parse_amount(value: Any) -> Decimal:
    """An amount of money from a decimal string; a YAML number is refused, since it may have been rounded already."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        raise ValueError('expected an amount as a quoted decimal, such as "0.25"')
    return Decimal(value)


def format_amount(amount: Decimal) -> str:
    """Plain decimal text without needless zeros."""
    return f"{amount.normalize():f}"


def written(pattern: str, longest: int, **more: Any) -> WithJsonSchema:
    """The JSON Schema of a text form, in place of that of the value that the code counts with."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "maxLength": longest, **more})


DURATION_TEXT = "[0-9]{1,9}(ms|s|m|h|d)"
NO_TIME = "^0+[a-z]+$"
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    written(f"^{DURATION_TEXT}$", 11, **{"not": {"pattern": NO_TIME}}),
]
"""Seconds, written as `30s`."""
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "pattern": "^[0-9]{1,15}(Ki|Mi|Gi)?$", "maxLength": 17, "minimum": 0}
    ),
]
"""Bytes, written as `64Ki`."""
RateLimit = Annotated[
    Rate,
    BeforeValidator(parse_rate),
    PlainSerializer(str, return_type=str),
    written("^[1-9][0-9]{0,8}/(s|m|h)$", 11),
]
"""Calls in a span of time, written as `60/m`."""
Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(format_percent, return_type=str),
    written("^(100|0?[0-9]{1,2})%$", 4),
]
"""A ratio from 0 to 1, written as `10%`."""
Amount = Annotated[
    Decimal,
    BeforeValidator(parse_amount),
    PlainSerializer(format_amount, return_type=str),
    written(r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?$", 25),
]
"""Money without its currency, written as a decimal string."""
