"""What can go wrong; each message says what to do."""

from __future__ import annotations


class PreviousError(Exception):
    """The previous release cannot be made."""


class UnknownRevisionError(PreviousError):
    """The clone's history does not reach back to it."""
