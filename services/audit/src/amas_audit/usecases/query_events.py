"""Query entries of one tenant, page by page: by event ids, run, trace, principal and type."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple

from amas_chassis.errors import AmasError, ErrorKind, FieldViolation
from amas_chassis.pagination import decode_token, encode_token

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
        """Entries by rising index, with their contents if asked, and the token of the next page ("" after the last).

        AmasError PAGE_TOKEN_INVALID for a token of another query.
        """
        start = _start(page_token, wanted)
        limit = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        page = await self._reader.entries(wanted, start=start, end=None, limit=limit, max_bytes=MAX_PAGE_BYTES)
        entries, more = page.entries, page.more
        if with_contents:
            entries = await self._contents.opened(fitting(page.entries, MAX_PAGE_CONTENT_BYTES))
            more = more or len(entries) < len(page.entries)
        if not more:
            return entries, ""
        return entries, encode_token({"start": entries[-1].index + 1, "query": _fingerprint(wanted)})


def _start(page_token: str, wanted: EventFilter) -> int:
    if not page_token:
        return 0
    cursor = decode_token(page_token)
    start = cursor.get("start")
    if cursor.get("query") != _fingerprint(wanted) or type(start) is not int or not 0 <= start < 1 << 63:
        problem = "the page token belongs to another query"
        raise AmasError(
            ErrorKind.INVALID_ARGUMENT,
            "PAGE_TOKEN_INVALID",
            problem,
            violations=[FieldViolation("page_token", problem)],
        )
    return start


def _fingerprint(wanted: EventFilter) -> str:
    """Ties a token to its query. It keeps no secret: the tenant is applied to every page anyway."""
    return hashlib.sha256(json.dumps(astuple(wanted)).encode()).hexdigest()[:16]
