"""Claims and bounds that tests of the quota store are made of."""

from __future__ import annotations

import itertools
from typing import Any

from amas_governance.quantities import Rate
from amas_policy_sidecar.domain.quota import Declared, QuotaBound, QuotaClaim

_attempts = itertools.count(1)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def bound(name: str = "q", **amounts: Any) -> QuotaBound:
    """A bound that is counted under its name; a rate is written as (calls, seconds)."""
    rate = amounts.pop("rate", None)
    made = None if rate is None else Rate(*rate)
    return QuotaBound(Declared.QUOTA, name, amounts.pop("id", name), rate=made, **amounts)


def claim(key: str, *bounds: QuotaBound, **changes: Any) -> QuotaClaim:
    """A claim of a call with 10 bytes of arguments, at most 1000 of an answer, and at most 5 seconds."""
    values: dict[str, Any] = {
        "tenant": "acme",
        "tool": "git/commit",
        "server": "git",
        "key": key,
        "bounds": bounds,
        "places": 100,
        "bytes_out": 10,
        "most_bytes_in": 1000,
        "most_seconds": 5.0,
        "lease": 60.0,
        "attempt": f"attempt-{next(_attempts)}",
    }
    return QuotaClaim(**{**values, **changes})
