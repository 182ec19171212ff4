"""Pages of audit entries as lines of JSON: one an entry, and after each page its token, empty after the last."""

from __future__ import annotations

import orjson
from amas_chassis.errors import AmasError

from amas_gateway.domain.model import Page
from amas_gateway.entrypoints.rest.rendering import as_json

# Not registered, and what everybody calls it.
NDJSON = "application/x-ndjson"


class EntryLines:
    """The form of a stream of entries (`pushed_stream.Form`). While a page is being found, nothing is said."""

    media_type = NDJSON
    opening = b""
    heartbeat = b""
    draining: bytes

    def __init__(self) -> None:
        self.draining = _ended("DRAINING", "the gateway ends: go on with the last token")

    def item(self, page: Page[object]) -> bytes:
        """The lines of a page."""
        lines = [orjson.dumps(as_json(entry)) for entry in page.items]
        return b"\n".join([*lines, orjson.dumps({"nextPageToken": page.next_page_token}), b""])

    def error(self, error: AmasError) -> bytes:
        """A line that says why the stream ends early."""
        return _ended(error.reason, error.message)


def _ended(reason: str, detail: str) -> bytes:
    return orjson.dumps({"error": {"reason": reason, "detail": detail}}) + b"\n"
