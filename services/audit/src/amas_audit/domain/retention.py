"""Retention classes: how long contents are kept, and for how long one key takes new ones.

A class is erased key by key: so a content outlives its class by the period of its key at most, and never falls short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amas_audit.domain.contents import DEFAULT_RETENTION

# The longest period (days), however long the class.
MAX_PERIOD_DAYS = 30
# A class without an end needs no second key.
ENDLESS_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Retention:
    """The classes, and the days that contents of each are kept at least; None: until their subject is erased."""

    days: Mapping[str, int | None]

    def __post_init__(self) -> None:
        """ValueError for days that are none, and without the class of contents that name none."""
        if DEFAULT_RETENTION not in self.days:
            raise ValueError(f"the class {DEFAULT_RETENTION!r}, that of contents that name none, is missing")
        for name, days in self.days.items():
            if days is not None and not 1 <= days <= ENDLESS_DAYS:
                raise ValueError(f"the days of class {name!r} must be from 1 to {ENDLESS_DAYS}, or null for no end")

    def period(self, name: str) -> int:
        """Days during which one key takes new contents of a class: a tenth of it, within bounds."""
        days = self.days[name]
        return ENDLESS_DAYS if days is None else max(1, min(MAX_PERIOD_DAYS, days // 10))
