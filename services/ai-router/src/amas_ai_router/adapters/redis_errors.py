"""Redis away, as its callers here see it; whether that refuses a call is theirs to say."""

from __future__ import annotations


class RedisAwayError(Exception):
    """Redis did not answer, or not in time, or not well. What was asked may or may not have been done."""
