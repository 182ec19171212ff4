"""Query entries of one tenant, page by page, by what they are about and when they happened."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple

from amas_chassis.errors import AmasError, ErrorKind, FieldViolation
from amas_chassis.pagination import decode_token, encode_token

from amas_audit.domain.errors import filter_invalid
from amas_audit.domain.model import Entry, EventFilter
from amas_audit.ports import ContentReader, LogReader
from amas_audit.usecases.weigh_contents import fitting

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
# Bytes of leaves in a page. An answer carries each twice (leaf and event), and a message may have 20 MiB.
MAX_PAGE_BYTES = 4 << 20
# Bytes of contents in a page, beside the leaves: together, and with one event's contents above it, within a message.
MAX_PAGE_CONTENT_BYTES = 2 << 20


class QueryEvents:
    """Answers one page. Stable: entries never change or move, and new ones come after all pages read so far."""

    def __init__(self, reader: LogReader, contents: ContentReader) -> None:
        self._reader = reader
        self._contents = contents

    async def __call__(
        self, wanted: EventFilter, *, page_size: int = 0, page_token: str = "", with_contents: bool = False
    ) -> tuple[tuple[Entry, ...], str]:
        """Entries in the order that was asked for, with their contents if asked, and the token of the next page.

        The token is empty after the last. AmasError PAGE_TOKEN_INVALID for a token of another query, FILTER_INVALID,
        QUERY_TOO_WIDE.
        """
        if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
            raise filter_invalid("until", "must be after since")
        after = _after(page_token, wanted)
        start, end = (0, after) if wanted.newest_first else (after or 0, None)
        limit = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        page = await self._reader.entries(wanted, start=start, end=end, limit=limit, max_bytes=MAX_PAGE_BYTES)
        entries, more = page.entries, page.more
        if with_contents:
            entries = await self._contents.opened(fitting(page.entries, MAX_PAGE_CONTENT_BYTES))
            more = more or len(entries) < len(page.entries)
        if not more:
            return entries, ""
        last = entries[-1].index
        after = last if wanted.newest_first else last + 1
        return entries, encode_token({"after": after, "query": _fingerprint(wanted)})


def _after(page_token: str, wanted: EventFilter) -> int | None:
    """Where the next page begins; when the newest come first, the index before which it does."""
    if not page_token:
        return None
    cursor = decode_token(page_token)
    after = cursor.get("after")
    if cursor.get("query") != _fingerprint(wanted) or type(after) is not int or not 0 <= after < 1 << 63:
        problem = "the page token belongs to another query"
        raise AmasError(
            ErrorKind.INVALID_ARGUMENT,
            "PAGE_TOKEN_INVALID",
            problem,
            violations=[FieldViolation("page_token", problem)],
        )
    return after


def _fingerprint(wanted: EventFilter) -> str:
    """Ties a token to its query. It keeps no secret: the tenant is applied to every page anyway."""
    return hashlib.sha256(json.dumps(astuple(wanted)).encode()).hexdigest()[:16]
