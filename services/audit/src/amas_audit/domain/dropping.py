"""The events that say that entries are to be dropped, before they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from amas_governance.canonical import canonical_json

from amas_audit.domain.model import Event

DROPPED = "dev.amas.audit.dropped"
# Who is on record as having sent it: the log itself.
SOURCE = "audit"


def drop_events(
    owners: Mapping[str, int], *, first: int, past: int, root: bytes, location: str, time: str
) -> tuple[Event, ...]:
    """An event for each tenant with entries in [first, past), which says how many are its. All have one id."""
    name = hashlib.sha256("\n".join([str(first), str(past), root.hex(), location]).encode()).hexdigest()[:32]
    members = {"first": first, "last": past - 1, "root": root.hex(), "location": location}
    return tuple(
        Event(
            id=f"dropped:{name}",
            type=DROPPED,
            time=time,
            tenant=tenant,
            data=canonical_json({**members, "entries": entries}),
        )
        for tenant, entries in sorted(owners.items())
    )
