"""Asks the witnesses for their names under the newest checkpoint, once a second, beside everything else.

It must never hold up an append, and never end for a reason that passes. A witness that refuses knows of a fork, or of a
log that was set back: that is said loudly, and only a human can mend it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_audit.domain.errors import LogDamagedError
from amas_audit.domain.model import SignedHead
from amas_audit.domain.witnessing import WitnessAwayError, WitnessRefusedError, WitnessSawError
from amas_audit.ports import Cosignatures, LogReader, Witness
from amas_audit.usecases.prove_consistency import prove_consistency

# Seconds between two questions to a witness, and until a witness is asked again that was away or refused.
INTERVAL = 1.0
PAUSE_AWAY = 5.0
PAUSE_REFUSED = 60.0
# Questions about a head: the second after the witness has said where it is.
QUESTIONS = 2

_LOG = logging.getLogger(__name__)


class WitnessTelemetry(Protocol):
    """What cosigning tells about itself."""

    def witnessed(self, witness: str, outcome: str, size: int) -> None:
        """A witness answered: `cosigned`, `away` or `refused`, for the tree of `size`."""
        ...


class CosignCheckpoints:
    """Leads each witness on from where it is."""

    def __init__(
        self,
        reader: LogReader,
        witnesses: Sequence[Witness],
        cosignatures: Cosignatures,
        telemetry: WitnessTelemetry,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._witnesses = witnesses
        self._cosignatures = cosignatures
        self._telemetry = telemetry
        self._clock = clock
        # By witness: the size that it cosigned last, as far as is known, and when it may be asked again.
        self._sizes = dict.fromkeys(range(len(witnesses)), 0)
        self._not_before = dict.fromkeys(range(len(witnesses)), 0.0)
        self._done: dict[int, int] = {}

    async def run(self) -> None:
        """Work until cancelled: each witness at its own pace, so that a slow one holds up no other's name."""
        async with asyncio.TaskGroup() as following:
            for number, witness in enumerate(self._witnesses):
                following.create_task(self._follow(number, witness))

    async def _follow(self, number: int, witness: Witness) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            if self._clock.monotonic() < self._not_before[number]:
                continue
            try:
                head = await self._reader.head()
                if head is not None and self._done.get(number) != head.size:
                    await self._ask(number, witness, head)
            except (AmasError, LogDamagedError) as error:
                _LOG.warning("the witness %s was not asked this time: %s", witness.key.name, error)

    async def _ask(self, number: int, witness: Witness, head: SignedHead) -> None:
        name = witness.key.name
        try:
            line = await self._line(number, witness, head)
        except WitnessAwayError as error:
            self._later(number, PAUSE_AWAY)
            self._telemetry.witnessed(name, "away", head.size)
            _LOG.warning("the witness %s has not cosigned: %s", name, error)
        except WitnessRefusedError as error:
            self._later(number, PAUSE_REFUSED)
            self._telemetry.witnessed(name, "refused", head.size)
            _LOG.critical("the witness %s refuses the tree of %d: %s", name, head.size, error)
        else:
            if line is None:
                return
            await self._cosignatures.keep(head.size, name, witness.key.key_id, line)
            self._sizes[number] = self._done[number] = head.size
            self._telemetry.witnessed(name, "cosigned", head.size)

    async def _line(self, number: int, witness: Witness, head: SignedHead) -> str | None:
        """The witness's line, None if it has cosigned a later head for another instance of this service."""
        for _ in range(QUESTIONS):
            old = self._sizes[number]
            if old > head.size:
                newest = await self._reader.head()
                if newest is None or newest.size < old:
                    raise WitnessRefusedError(f"it cosigned a tree of {old}: this log was set back behind that")
                return None
            proof = await prove_consistency(self._reader, old, head.size)
            try:
                return await witness.cosign(old, proof, head.note)
            except WitnessSawError as saw:
                self._sizes[number] = saw.size
        raise WitnessAwayError("it moves on faster than it can be followed")

    def _later(self, number: int, pause: float) -> None:
        self._not_before[number] = self._clock.monotonic() + pause
