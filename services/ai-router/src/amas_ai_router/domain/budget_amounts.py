"""Money as whole hundred-millionths (1e-8) of the currency: what Redis counts in, exactly. Never a float."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

UNITS = Decimal(100_000_000)


def units_up(cost: Decimal) -> int:
    """Units of a cost, rounded up: what is held or spent never counts for less than it is."""
    return int((cost * UNITS).to_integral_value(ROUND_CEILING))


def units_down(cost: Decimal) -> int:
    """Units of a limit, rounded down."""
    return int((cost * UNITS).to_integral_value(ROUND_FLOOR))


def cost_of(units: int) -> Decimal:
    """The cost that units stand for."""
    return Decimal(units) / UNITS
