"""Reads leaves: events in the shape of a CloudEvent (docs/audit-events.md)."""

from __future__ import annotations

import json
from typing import Any

from .document import unique_members

RUN_STARTED = "dev.amas.run.started"
RUN_ENDED = "dev.amas.run.ended"
AFTER_THE_END = frozenset({"dev.amas.audit.read", "dev.amas.access.denied"})
"""Looking at a run, or trying to, is recorded under it after it has ended."""

_TEXTS = ("id", "source", "type", "time", "tenant")


class LeafRefusedError(ValueError):
    """The leaf is no event; the message says why."""


def parse_leaf(leaf: str) -> dict[str, Any]:
    """The members of a leaf. LeafRefusedError if it is no event of a run."""
    try:
        members = json.loads(leaf, object_pairs_hook=unique_members)
    except (ValueError, RecursionError) as error:
        raise LeafRefusedError("the entry's leaf is not JSON") from error
    if not isinstance(members, dict) or members.get("specversion") != "1.0":
        raise LeafRefusedError("the entry's leaf is no CloudEvent of version 1.0")
    for name in _TEXTS:
        if not isinstance(members.get(name), str) or not members[name]:
            raise LeafRefusedError(f"the entry's leaf has no {name}")
    if not isinstance(members.get("runid"), str) or type(members.get("runsequence")) is not int:
        raise LeafRefusedError("the entry's leaf belongs to no run")
    return members
