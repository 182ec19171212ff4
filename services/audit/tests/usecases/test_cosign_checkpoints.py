"""Witnesses are asked each at its own pace, on fakes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from amas_audit.domain.model import SignedHead
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.domain.witnessing import WitnessAwayError, WitnessKey
from amas_audit.usecases import cosign_checkpoints
from amas_audit.usecases.cosign_checkpoints import CosignCheckpoints
from amas_chassis.clock import ManualClock

from ..fakes import MemoryLog


class Growing(MemoryLog):
    """A log that has one entry more each time that a head was cosigned."""

    def __init__(self, signer: NoteSigner) -> None:
        super().__init__(signer)
        self.size = 1

    async def head(self, size: int | None = None) -> SignedHead | None:
        return SignedHead(self.size, bytes(32), f"signed {self.size}\n")


class Named:
    """A witness that does as it is told."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self.key = WitnessKey(name, name.encode().ljust(32, b"."))
        self._act = act
        self.asked = 0

    async def cosign(self, old: int, proof: Sequence[bytes], note: str) -> str:
        self.asked += 1
        done = self._act()
        if asyncio.isfuture(done):
            await done
        return f"{self.key.name} {note}"


class Kept:
    """Cosignatures in a list; the log grows with each."""

    def __init__(self, log: Growing) -> None:
        self._log = log
        self.lines: list[tuple[int, str]] = []
        self.enough = asyncio.Event()

    async def keep(self, size: int, witness: str, key_id: bytes, line: str) -> None:
        self.lines.append((size, witness))
        self._log.size = size + 1
        if len(self.lines) == 3:
            self.enough.set()

    async def newest(self, quorum: int) -> tuple[int, tuple[str, ...]] | None:
        raise AssertionError("nothing is shown here")


class Told:
    """What was told."""

    def __init__(self) -> None:
        self.outcomes: set[tuple[str, str]] = set()

    def witnessed(self, witness: str, outcome: str, size: int) -> None:
        self.outcomes.add((witness, outcome))


def away() -> None:
    raise WitnessAwayError("nobody is there")


async def test_a_slow_witness_holds_up_no_other(signer: NoteSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    """One never answers and one is away; the third's name stands under each head all the same."""
    monkeypatch.setattr(cosign_checkpoints, "INTERVAL", 0.0)

    async def proven(*_: object) -> Sequence[bytes]:
        return ()

    monkeypatch.setattr(cosign_checkpoints, "prove_consistency", proven)
    log, told = Growing(signer), Told()
    kept, never = Kept(log), asyncio.get_running_loop().create_future()
    slow, gone, quick = Named("slow", lambda: never), Named("gone", away), Named("quick", lambda: None)
    cosign = CosignCheckpoints(log, [slow, gone, quick], kept, told, ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    working = asyncio.create_task(cosign.run())
    await asyncio.wait_for(kept.enough.wait(), 60)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    assert kept.lines[:3] == [(1, "quick"), (2, "quick"), (3, "quick")]
    assert (slow.asked, gone.asked) == (1, 1)
    assert told.outcomes == {("quick", "cosigned"), ("gone", "away")}
