"""A log as a process that a test ends or stops at one point of an append: adapter and group commit, without gRPC.

    python -m services.audit.tests.faults.appender    (a line of JSON on stdin a generation, what happened on stdout)

Each generation is a child that is forked after all imports: 500 of them take seconds, and each is a process of its own
with connections of its own, that SIGKILL ends like any other.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from amas_audit.adapters import postgres_pool
from amas_audit.adapters.group_commit import GroupCommit
from amas_audit.adapters.postgres_log import PostgresLog
from amas_audit.adapters.postgres_pool import open_pool
from amas_audit.domain.model import Event
from amas_audit.telemetry import AuditTelemetry
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from ..logs import MASTERS, RETENTION, content, event, submission
from .failpoints import TrippedPool, TrippedSigner, Tripwire, check_points

NEVER = "never"
# Tries of an append that is told to try again, a tenth of a second apart: a database takes its time to come back on a
# machine with much else to do.
TRIES = 1_200
PAUSE = 0.1


@dataclass(frozen=True)
class Generation:
    """One life of the process."""

    dsn: str
    origin: str
    # Ids of new events begin with this.
    name: str
    # Point at which it ends (`kill`) or stops (`stop`), the nth time that it comes there.
    point: str = NEVER
    nth: int = 1
    action: str = "kill"
    writers: int = 6
    appends: int = 24
    # Ids that an earlier life offered and did not acknowledge: sent again, with the same content.
    again: list[str] = field(default_factory=list)
    idle_in_transaction_ms: int = 5_000
    transaction_ms: int = 10_000
    command_timeout: float = 10.0

    def line(self) -> bytes:
        """As the process reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def event_of(event_id: str) -> Event:
    """The event that an id stands for, the same in every life: runs and subjects are shared by all writers."""
    number = sum(event_id.encode())
    tenant = "acme" if number % 3 else "other"
    padding = "x" * (number * 37 % 2000)
    said = content(b'"said in %s"' % event_id.encode(), subject=f"person-{number % 4}")
    return event(
        id=event_id,
        tenant=tenant,
        run_id=f"run-{number % 5}" if number % 7 else "",
        data=b'{"id":"%s","text":"%s"}' % (event_id.encode(), padding.encode()),
        contents=(said,) if number % 2 else (),
    )


def say(*words: object) -> None:
    """One line in one write, so that a process which ends has said all of it or nothing."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class _Telemetry(AuditTelemetry):
    def __init__(self, tripwire: Tripwire) -> None:
        super().__init__(CollectorRegistry())
        self._tripwire = tripwire

    def committed(self, events: int, tree_size: int, seconds: float) -> None:
        self._tripwire.reached("told.before")
        super().committed(events, tree_size, seconds)


async def live(told: Generation) -> None:
    """Open the log and append; ends itself where it was told to."""
    how = signal.SIGKILL if told.action == "kill" else signal.SIGSTOP
    tripwire = Tripwire(told.point, told.nth, lambda: os.kill(os.getpid(), how))
    postgres_pool.IDLE_IN_TRANSACTION_MS = told.idle_in_transaction_ms
    postgres_pool.TRANSACTION_MS = told.transaction_ms
    postgres_pool.STATEMENT_TIMEOUT = told.command_timeout
    pool = await open_pool(told.dsn, connections=2, start_timeout=60)
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signer = TrippedSigner(told.origin, key).trip(tripwire.reached)
    tripped: Any = TrippedPool(pool, tripwire.reached)
    telemetry = _Telemetry(tripwire)
    sequencer = PostgresLog(tripped, signer, MASTERS, retention=RETENTION, origin=told.origin, telemetry=telemetry)
    await _open(sequencer)
    log = GroupCommit(sequencer.commit, telemetry, SystemClock())

    async def write(ids: list[str]) -> None:
        for start in range(0, len(ids), 3):
            await _append(log, ids[start : start + 3], tripwire)

    lanes = [[f"{told.name}-{writer}-{number}" for number in range(told.appends)] for writer in range(told.writers)]
    await asyncio.gather(write(told.again), *map(write, lanes))
    await log.close()
    await pool.close()


async def _open(sequencer: PostgresLog) -> None:
    """As a supervisor does, which starts the service again until the log is open."""
    for _ in range(TRIES):
        try:
            return await sequencer.open()
        except AmasError as error:
            say("refused", error.reason)
            await asyncio.sleep(PAUSE)
    raise AssertionError("the log could not be opened")


async def _append(log: GroupCommit, ids: list[str], tripwire: Tripwire) -> None:
    for one in ids:
        say("offered", one)
    for _ in range(TRIES):
        try:
            places = await log.append(submission(*map(event_of, ids)))
        except AmasError as error:
            if error.kind is not ErrorKind.UNAVAILABLE:
                raise
            say("refused", error.reason)
            await asyncio.sleep(PAUSE)
            continue
        for place in places:
            tripwire.reached("acknowledge.before")
            say("acknowledged", place.id, place.index)
            tripwire.reached("acknowledge.after")
        return
    raise AssertionError("the log did not come back")


def main() -> None:
    """A child for each line, one after the other."""
    for line in sys.stdin:
        told = Generation(**json.loads(line))
        if told.point != NEVER:
            check_points([told.point])
        child = os.fork()
        if child == 0:
            code = 1
            try:
                asyncio.run(live(told))
                code = 0
            except BaseException as error:
                say("failed", type(error).__name__, str(error).replace("\n", " "))
            finally:
                os._exit(code)
        say("process", child)
        _, status = os.waitpid(child, 0)
        say("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
