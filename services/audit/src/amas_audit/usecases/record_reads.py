"""Puts on record which entries were read over HTTPS, and by whom: for each tenant whose entries were among them.

In one event a reader, tenant and interval, however many bundles were read. A read that cannot be noted is refused; what
waits when the process is killed is lost from the record, and stands in the service's own log.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Sequence

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_governance.canonical import canonical_json

from amas_audit.domain.errors import LogDamagedError, reads_unrecorded
from amas_audit.domain.model import Event, Submission
from amas_audit.ports import EntryOwners, Log

READ = "dev.amas.audit.read"
# Who is on record as having sent it: the log itself.
SOURCE = "audit"
# Seconds between two records.
INTERVAL = 60.0
# Stretches of the log that wait for one reader, at most; what joins another is none of its own.
MAX_STRETCHES = 256
# Events of one append.
PORTION = 256

Stretch = tuple[int, int]

_LOG = logging.getLogger(__name__)


class RecordReads:
    """The reads of one process."""

    def __init__(self, log: Log, owners: EntryOwners, clock: Clock) -> None:
        self._log = log
        self._owners = owners
        self._clock = clock
        self._waiting: dict[str, list[Stretch]] = {}

    def note(self, reader: str, start: int, end: int) -> None:
        """Entries [start, end) are about to be read. AmasError READS_UNRECORDED if there is no room to note it."""
        joined = joined_with(self._waiting.get(reader, ()), (start, end))
        if len(joined) > MAX_STRETCHES:
            raise reads_unrecorded()
        self._waiting[reader] = joined

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits; what cannot be written waits on."""
        for reader in list(self._waiting):
            stretches = self._waiting.pop(reader)
            try:
                await self._record(reader, stretches)
            except (AmasError, LogDamagedError) as error:
                _LOG.warning("reads of entries are not on record yet: %s", error, extra={"reader": reader})
                self._wait_on(reader, stretches)
            except asyncio.CancelledError:
                # Whether they were written nobody knows: rather twice than never.
                self._wait_on(reader, stretches)
                raise

    def _wait_on(self, reader: str, stretches: Sequence[Stretch]) -> None:
        for stretch in stretches:
            self._waiting[reader] = joined_with(self._waiting.get(reader, ()), stretch)

    async def _record(self, reader: str, stretches: Sequence[Stretch]) -> None:
        counts: Counter[str] = Counter()
        for start, end in stretches:
            counts.update(await self._owners.tenants(start, end))
        events = [self._event(reader, tenant, stretches, count) for tenant, count in sorted(counts.items())]
        for first in range(0, len(events), PORTION):
            some = tuple(events[first : first + PORTION])
            await self._log.append(Submission(some, SOURCE, size=sum(len(event.data) for event in some)))

    def _event(self, reader: str, tenant: str, stretches: Sequence[Stretch], count: int) -> Event:
        filters = {"reader": reader, "stretches": [list(stretch) for stretch in stretches]}
        return Event(
            id=f"read:{uuid.uuid4()}",
            type=READ,
            time=self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            tenant=tenant,
            principal=reader,
            data=canonical_json({"what": "entries", "filters": filters, "count": count}),
        )


def joined_with(stretches: Sequence[Stretch], added: Stretch) -> list[Stretch]:
    """Stretches without overlap, rising, with another: those that it touches become one with it."""
    start, end = added
    apart = [one for one in stretches if one[1] < start or one[0] > end]
    for one in stretches:
        if one[1] >= start and one[0] <= end:
            start, end = min(start, one[0]), max(end, one[1])
    return sorted([*apart, (start, end)])
