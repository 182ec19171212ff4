"""What is asked of the ledger, and the sums that it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from .model import Usage

DEFAULT_PAGE = 100
MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """What a row adds up; also the order of rows."""

    run_id: str
    role: str
    route: str
    provider: str
    model: str
    currency: str


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """A question about one tenant; `since` is included, `until` is not."""

    tenant: str
    run_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    page_size: int = 0
    page_token: str = ""


@dataclass(frozen=True, slots=True)
class UsageSum:
    """One row."""

    group: UsageGroup
    calls: int
    usage: Usage
    cache_hits: int = 0
    saved: Decimal = Decimal(0)
