"""Providers that refuse `stream_options` (Mistral, old Azure versions) report the usage of a stream unasked, or never.

A caller must not be able to teach the router to leave the field out for others: their calls would be counted by size.
"""

from __future__ import annotations

from typing import Any

from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.errors import RejectedError
from amas_ai_router.domain.model import Target

FIELD = "stream_options"
# Models of providers whose refusal is remembered.
MAX_KNOWN = 1024
_OURS = {"include_usage": True}
# What every provider takes: only a request of these says something about the provider and not about itself.
_PLAIN = frozenset({"model", "messages", "stream", FIELD, "temperature", "top_p", "max_tokens", "stop"})


class StreamOptions:
    """Who is known to refuse the field."""

    def __init__(self) -> None:
        self._refused: BoundedCache[tuple[str, str], bool] = BoundedCache(MAX_KNOWN)

    def taken(self, target: Target, fields: dict[str, Any]) -> dict[str, Any]:
        """The request as this target takes it."""
        known = self._refused.get((target.base_url, target.model))
        return _without(fields) if known and fields.get(FIELD) == _OURS else fields

    def without(self, error: RejectedError, fields: dict[str, Any]) -> dict[str, Any] | None:
        """The request to try instead; None if the refusal is not about the field that we set."""
        if error.status not in (400, 422) or fields.get(FIELD) != _OURS or FIELD not in error.error_json:
            return None
        return _without(fields)

    def learn(self, target: Target, fields: dict[str, Any]) -> None:
        """The request with the field was refused and the one without it was not."""
        if _PLAIN.issuperset(fields):
            self._refused.put((target.base_url, target.model), True)


def _without(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != FIELD}
