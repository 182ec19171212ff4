"""Adds up usage and cost of one tenant, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.pagination import decode_token, encode_token

from amas_ai_router.domain.usage_query import DEFAULT_PAGE, MAX_PAGE, UsageGroup, UsageQuery, UsageSum
from amas_ai_router.ports import Ledger


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Rows and the token of the next page, empty on the last."""

    rows: Sequence[UsageSum]
    next_page_token: str


class QueryUsage:
    """Answers from the ledger, which is the truth."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def run(self, query: UsageQuery) -> UsagePage:
        """A page. Raises PAGE_TOKEN_INVALID for a token of another question."""
        size = min(query.page_size or DEFAULT_PAGE, MAX_PAGE)
        found = list(await self._ledger.sums(query, _after(query), size + 1))
        if len(found) <= size:
            return UsagePage(found, "")
        rows = found[:size]
        cursor = {"question": _question(query), "after": list(astuple(rows[-1].group))}
        return UsagePage(rows, encode_token(cursor))


def _question(query: UsageQuery) -> list[str]:
    times = [time.isoformat() if time is not None else "" for time in (query.since, query.until)]
    return [query.tenant, query.run_id, *times]


def _after(query: UsageQuery) -> UsageGroup | None:
    if not query.page_token:
        return None
    cursor = decode_token(query.page_token)
    after = cursor.get("after")
    parts = after if isinstance(after, list) and all(isinstance(part, str) for part in after) else []
    if cursor.get("question") != _question(query) or len(parts) != len(UsageGroup.__slots__):
        raise AmasError(ErrorKind.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", "the page token belongs to another question")
    return UsageGroup(*parts)
