"""How many entries may be read with their contents at once."""

from __future__ import annotations

from collections.abc import Sequence

from amas_audit.domain.model import Entry


def fitting(entries: Sequence[Entry], max_bytes: int) -> Sequence[Entry]:
    """The first entries whose contents have at most `max_bytes` together; one at least, if there is one."""
    total = 0
    for number, entry in enumerate(entries):
        total += sum(sealed.size for sealed in entry.event.sealed)
        if number and total > max_bytes:
            return entries[:number]
    return entries
