"""What is to be erased, and the event that says so before it happens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from amas_governance.canonical import canonical_json

from amas_audit.domain.model import Event

ERASED = "dev.amas.audit.erased"
# Who is on record as having sent it: the log itself.
SOURCE = "audit"
# Keys that one event names.
MAX_KEYS = 1_000

# Why something is erased.
SUBJECT = "subject"
RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class DoomedKey:
    """A key that is to be destroyed, and how many contents go with it."""

    id: str
    tenant: str
    retention: str
    contents: int


def erasure_event(keys: Sequence[DoomedKey], *, why: str, principal: str, time: str) -> Event:
    """The event of an erasure, of keys of one tenant. Its id follows from all that it says but the time.

    Contents may come under the keys after it was cut off: asked again, it is another event.
    """
    ids, contents = sorted(key.id for key in keys), sum(key.contents for key in keys)
    name = hashlib.sha256("\n".join([why, principal, str(contents), *ids]).encode()).hexdigest()[:32]
    data: dict[str, object] = {"keys": ids, "contents": contents, "why": why}
    if why == RETENTION:
        data["retention"] = keys[0].retention
    return Event(
        id=f"erased:{name}",
        type=ERASED,
        time=time,
        tenant=keys[0].tenant,
        principal=principal,
        data=canonical_json(data),
    )
