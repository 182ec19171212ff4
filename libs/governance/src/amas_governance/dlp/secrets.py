"""Secrets in a JSON value, however they are written: found, or taken out before it is shown or recorded."""

from __future__ import annotations

from typing import Any

from .engine import ScanRefused
from .inspection import Sighting, inspect_value
from .replacing import replace_sightings

SECRET = "secret"  # noqa: S105 - a category of data, no password


def secrets_in(value: Any) -> list[Sighting]:
    """Every secret in a JSON value. Raises ScanRefused for what cannot be looked through."""
    return [sighting for sighting in inspect_value(value) if sighting.category == SECRET]


def without_secrets(value: Any) -> Any:
    """The JSON value with a mark in place of each secret; nothing of it if it cannot be looked through."""
    try:
        return replace_sightings(value, secrets_in(value))
    except ScanRefused as error:
        return f"[withheld: {error}]"
