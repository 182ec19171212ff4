"""How long one append takes at half of the rate that single appends reach, beside a plain commit of the same bytes."""

from __future__ import annotations

import asyncio
import time

from amas_audit.domain.leaf import encode
from amas_audit.domain.merkle import leaf_hash, root_from_inclusion
from amas_audit.domain.model import Submission
from amas_audit.usecases.prove_inclusion import prove_inclusion

from services.audit.tests.logs import submission

from ..report import Row, percentile
from .stage import Stage, events

CALLERS = 64
APPENDS, QUICK_APPENDS = 4_000, 600
COMMITS, QUICK_COMMITS = 1_000, 100
PROOFS, QUICK_PROOFS = 200, 20

_TABLE = "CREATE SCHEMA IF NOT EXISTS plain; CREATE TABLE plain.single (i bigint PRIMARY KEY, leaf bytea NOT NULL)"
_COMMIT = "INSERT INTO plain.single VALUES ($1, $2)"


async def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Rows of latencies in milliseconds."""
    appends, commits = (QUICK_APPENDS, QUICK_COMMITS) if quick else (APPENDS, COMMITS)
    rate = await _rate(stage, [submission(one) for one in events("rate", appends)])
    loaded = await _open_loop(stage, [submission(one) for one in events("half", appends)], rate / 2)
    plain = await _commits(stage, commits)
    proofs = await _proofs(stage, QUICK_PROOFS if quick else PROOFS)
    beside = percentile(loaded, 0.99) / percentile(plain, 0.99)
    return [
        Row(f"single appends, {CALLERS} callers", rate, "1/s"),
        Row("an append at half of that, p50", percentile(loaded, 0.5), "ms"),
        Row("an append at half of that, p99", percentile(loaded, 0.99), "ms", "plain commit, p99", ratio=beside),
        Row("a plain commit, p50", percentile(plain, 0.5), "ms"),
        Row("a plain commit, p99", percentile(plain, 0.99), "ms"),
        Row("acknowledged to proven, p99", percentile(proofs, 0.99), "ms", aim="<= 1000"),
    ]


async def _rate(stage: Stage, made: list[Submission]) -> float:
    waiting = iter(made)

    async def call() -> None:
        for one in waiting:
            await stage.wired.log.append(one)

    begun = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return len(made) / (time.perf_counter() - begun)


async def _open_loop(stage: Stage, made: list[Submission], rate: float) -> list[float]:
    """Milliseconds from when each append was due, so that one that must wait for the sender counts its wait."""
    taken: list[float] = []
    begun = time.perf_counter()

    async def append(one: Submission, due: float) -> None:
        await stage.wired.log.append(one)
        taken.append((time.perf_counter() - due) * 1000)

    async with asyncio.TaskGroup() as tasks:
        for number, one in enumerate(made):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(append(one, due))
    return taken


async def _commits(stage: Stage, count: int) -> list[float]:
    await stage.plain.execute(_TABLE)
    taken = []
    for number, one in enumerate(events("plain", count)):
        leaf = encode(one, "bench", 1)
        begun = time.perf_counter()
        await stage.plain.execute(_COMMIT, number, leaf)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


async def _proofs(stage: Stage, count: int) -> list[float]:
    """Milliseconds from the acknowledgement to a proof under a signed head that holds."""
    taken = []
    for one in events("proof", count):
        [place] = await stage.wired.log.append(submission(one))
        begun = time.perf_counter()
        head = await stage.wired.reader.head()
        assert head is not None
        [proof] = await prove_inclusion(stage.wired.reader, [place.index], head)
        leaf = leaf_hash(encode(one, "policy-sidecar", place.run_sequence))
        assert root_from_inclusion(leaf, place.index, head.size, proof.hashes) == head.root
        stage.signer.verifier.open(head.note)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken
