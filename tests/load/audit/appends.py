"""Acknowledged appends a second: our log, plain inserts of the same bytes in the same Postgres, Tessera on its disk.

All take turns, so that whatever else the machine does meets all of them. Ours is the sequencer with its group commit,
without gRPC: places, hashes, tree, indexes and a signed checkpoint a group. Plain is one table with a key and the
leaf's bytes, in batches as large as our groups.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from pathlib import Path

from amas_audit.adapters.group_commit import MAX_GROUP_EVENTS
from amas_audit.domain.leaf import encode
from amas_audit.domain.model import Submission

from services.audit.tests import independent

from ..report import Row, half_range, percentile
from .stage import EVENT_BYTES, WRITERS, Stage, submissions

PER_ROUND, ROUNDS = 20_000, 7
QUICK_PER_ROUND, QUICK_ROUNDS = 4_000, 2

_TABLES = """
CREATE SCHEMA IF NOT EXISTS plain;
CREATE TABLE IF NOT EXISTS plain.entry ("index" bigint PRIMARY KEY, leaf bytea NOT NULL);
CREATE TABLE IF NOT EXISTS plain.unique_entry (
  "index" bigint PRIMARY KEY, tenant text NOT NULL, event_id text NOT NULL, leaf bytea NOT NULL,
  UNIQUE (tenant, event_id)
);
"""
_PLAIN = "INSERT INTO plain.entry SELECT * FROM unnest($1::bigint[], $2::bytea[])"
_UNIQUE = "INSERT INTO plain.unique_entry SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[])"


async def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Rows of rates and their ratios."""
    count, rounds = (QUICK_PER_ROUND, QUICK_ROUNDS) if quick else (PER_ROUND, ROUNDS)
    await stage.plain.execute(_TABLES)
    program = independent.program()
    ours, plain, unique, tessera = list[float](), list[float](), list[float](), list[float]()
    for number in range(-1, rounds):
        made = submissions(f"round{number}", count)
        leaves = [encode(one, sent.source, 1) for sent in made for one in sent.events]
        figures = (
            await _ours(stage, made),
            await _plain(stage, leaves, number),
            await _unique(stage, made, leaves, number),
            await asyncio.to_thread(_tessera, program, stage.folder / "tessera", count),
        )
        if number >= 0:  # The first round warms up.
            for kept, figure in zip((ours, plain, unique, tessera), figures, strict=True):
                kept.append(figure)
    return [
        Row("acknowledged appends of 1 KB", _middle(ours), "1/s", spread=half_range(ours)),
        _beside("plain inserts, a key", ours, plain, ">= 0.85"),
        _beside("plain inserts, unique id", ours, unique, None),
        _beside("Tessera, POSIX", ours, tessera, ">= 3"),
    ]


def _beside(peer: str, ours: list[float], theirs: list[float], aim: str | None) -> Row:
    """The peer's rate; the ratio is the median of those within a round."""
    ratio = _middle([mine / other for mine, other in zip(ours, theirs, strict=True)])
    return Row(f"beside {peer}", _middle(theirs), "1/s", peer, ratio=ratio, spread=half_range(theirs), aim=aim)


def _middle(values: list[float]) -> float:
    return percentile(values, 0.5)


async def _ours(stage: Stage, made: list[Submission]) -> float:
    """Entries a second, all acknowledged."""
    waiting = iter(made)

    async def write() -> None:
        for one in waiting:
            await stage.wired.log.append(one)

    begun = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(WRITERS)))
    return sum(len(one.events) for one in made) / (time.perf_counter() - begun)


async def _plain(stage: Stage, leaves: list[bytes], number: int) -> float:
    first = (number + 1) * len(leaves)
    begun = time.perf_counter()
    for start in range(0, len(leaves), MAX_GROUP_EVENTS):
        part = leaves[start : start + MAX_GROUP_EVENTS]
        indexes = list(range(first + start, first + start + len(part)))
        await stage.plain.execute(_PLAIN, indexes, part)
    return len(leaves) / (time.perf_counter() - begun)


async def _unique(stage: Stage, made: list[Submission], leaves: list[bytes], number: int) -> float:
    first = (number + 1) * len(leaves)
    all_events = [one for sent in made for one in sent.events]
    begun = time.perf_counter()
    for start in range(0, len(leaves), MAX_GROUP_EVENTS):
        part = leaves[start : start + MAX_GROUP_EVENTS]
        named = all_events[start : start + MAX_GROUP_EVENTS]
        indexes = list(range(first + start, first + start + len(part)))
        await stage.plain.execute(_UNIQUE, indexes, [one.tenant for one in named], [one.id for one in named], part)
    return len(leaves) / (time.perf_counter() - begun)


def _tessera(program: str, folder: Path, count: int) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    arguments = [
        "-log",
        str(folder),
        "-entries",
        str(count),
        "-bytes",
        str(EVENT_BYTES),
        "-batch",
        str(MAX_GROUP_EVENTS),
    ]
    told = subprocess.run([program, "append", *arguments], check=True, capture_output=True, text=True).stdout
    answer = json.loads(told)
    return float(answer["entries"] / answer["seconds"])
