"""quantities: what people write and what the code counts are the same."""

from __future__ import annotations

from decimal import Decimal

import pytest
from amas_governance import quantities
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 10**9))
def test_durations_survive_their_text(milliseconds: int) -> None:
    """Formatting and parsing a duration loses nothing."""
    text = quantities.format_duration(milliseconds / 1000)
    assert quantities.parse_duration(text) == milliseconds / 1000


@given(st.integers(0, 10**14))
def test_sizes_survive_their_text(size: int) -> None:
    """Formatting and parsing a size loses nothing."""
    assert quantities.parse_size(quantities.format_size(size)) == size


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("10m", 600), ("1h", 3600), ("7d", 604800)])
def test_durations(text: str, seconds: float) -> None:
    """The units mean what they say."""
    assert quantities.parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "size"), [("512", 512), ("64Ki", 65536), ("1Mi", 1048576), ("2Gi", 2**31), (7, 7)])
def test_sizes(text: object, size: int) -> None:
    """The units are binary."""
    assert quantities.parse_size(text) == size


def test_rates_survive_their_text() -> None:
    """`60/m` is 60 in 60 seconds."""
    rate = quantities.parse_rate("60/m")
    assert (rate.count, rate.per, str(rate)) == (60, 60.0, "60/m")


def test_money_is_decimal_and_canonical() -> None:
    """No float ever holds money, and equal amounts have one text."""
    assert quantities.parse_amount("0.10") == Decimal("0.10")
    assert quantities.format_amount(Decimal("0.10")) == "0.1"
    assert quantities.format_amount(Decimal("5E+1")) == "50"


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (quantities.parse_duration, "0s"),
        (quantities.parse_duration, "10"),
        (quantities.parse_duration, 10),
        (quantities.parse_duration, "-1s"),
        (quantities.parse_duration, "1h30m"),
        (quantities.parse_size, "1k"),
        (quantities.parse_size, -1),
        (quantities.parse_size, True),
        (quantities.parse_size, "1.5Mi"),
        (quantities.parse_rate, "0/m"),
        (quantities.parse_rate, "60"),
        (quantities.parse_percent, "101%"),
        (quantities.parse_percent, 0.1),
        (quantities.parse_amount, 0.25),
        (quantities.parse_amount, "1e3"),
        (quantities.parse_amount, "-1"),
        (quantities.parse_amount, "\u0661"),
    ],
)
def test_what_is_not_exact_is_refused(parse: object, value: object) -> None:
    """Nothing is guessed: a wrong form is an error that shows a right one."""
    assert callable(parse)
    with pytest.raises(ValueError, match="expected"):
        parse(value)
