"""Lives of a log's process as a test leads them, and the books that it keeps: what was offered, what acknowledged."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from amas_audit.domain.signed_note import NoteVerifier

from .appender import Generation

ROOT = Path(__file__).resolve().parents[4]
# Seconds without a word after which a process hangs. A life takes as long as it takes: it says each step, and each try
# while it waits for locks and for a database that comes back.
SILENCE_TIMEOUT = 60.0


@dataclass
class Books:
    """What all lives of a log said."""

    offered: dict[str, None] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def note(self, words: list[str]) -> None:
        """One line that a process said."""
        match words:
            case ["offered", event_id]:
                self.offered[event_id] = None
            case ["acknowledged", event_id, index]:
                place = self.acknowledged.setdefault(event_id, int(index))
                assert place == int(index), f"{event_id} was acknowledged at {place} and at {index}"
            case ["refused", reason]:
                self.refused.append(reason)
            case _:
                raise AssertionError(f"the process said: {' '.join(words)}")

    def unanswered(self) -> list[str]:
        """Offered, and never acknowledged."""
        return [event_id for event_id in self.offered if event_id not in self.acknowledged]


class Appender:
    """The program `appender`, with one life at a time."""

    def __init__(self, process: asyncio.subprocess.Process, books: Books) -> None:
        self._process = process
        self._books = books
        self.child = 0

    async def begin(self, generation: Generation) -> int:
        """Begin a life; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(generation.line())
        await self._process.stdin.drain()
        while (words := await self._words())[0] != "process":
            self._books.note(words)
        self.child = int(words[1])
        return self.child

    async def end(self, *, until: Callable[[], bool] | None = None) -> int | None:
        """Its exit code once it has ended (negative: the signal); None if `until` held before."""
        while True:
            if until is not None and until():
                return None
            words = await self._words()
            if words[0] == "ended":
                self.child = 0
                return int(words[1])
            self._books.note(words)

    async def live(self, generation: Generation) -> int | None:
        """A whole life."""
        await self.begin(generation)
        return await self.end()

    async def _words(self) -> list[str]:
        assert self._process.stdout is not None
        async with asyncio.timeout(SILENCE_TIMEOUT):
            line = await self._process.stdout.readline()
        assert line, "the program has ended"
        return line.decode().split()


@asynccontextmanager
async def appender(books: Books) -> AsyncIterator[Appender]:
    """The program, for the length of a test."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.audit.tests.faults.appender",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    made = Appender(process, books)
    try:
        yield made
    finally:
        if made.child:
            _end(made.child)
        if process.returncode is None:
            process.kill()
        await process.wait()


def _end(child: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


class Witness:
    """Reads the stored log as an outsider would and remembers each signed head. It shares no tree code with us."""

    def __init__(self, connection: asyncpg.Connection, verifier: NoteVerifier) -> None:
        self._connection = connection
        self._verifier = verifier
        self._peaks: list[bytes] = []
        self._places: dict[tuple[str, str], int] = {}
        self._sequences: dict[tuple[str, str], int] = {}
        self.size = 0
        # Heads seen, by size.
        self.heads: dict[int, bytes] = {0: hashlib.sha256(b"").digest()}

    async def look(self, acknowledged: dict[str, int]) -> None:
        """Read on. AssertionError if anything acknowledged is lost or doubled, or a head does not fit its entries."""
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            await self._read_heads()
            rows = await self._connection.fetch(
                'SELECT "index", tenant, leaf_hash, leaf FROM audit.entry WHERE "index" >= $1 ORDER BY "index"',
                self.size,
            )
        for row in rows:
            self._take(row)
        assert self.size == max(self.heads), "an entry is under no signed head, or a head is over entries that are gone"
        placed = {event_id: index for (_, event_id), index in self._places.items()}
        assert len(placed) == len(self._places)
        wrong = {event_id: index for event_id, index in acknowledged.items() if placed.get(event_id) != index}
        assert not wrong, f"acknowledged and not there: {wrong}"

    async def look_again(self, acknowledged: dict[str, int]) -> None:
        """Read all from the first entry, and hold it against every head that was ever seen."""
        fresh = Witness(self._connection, self._verifier)
        fresh.heads |= self.heads
        await fresh.look(acknowledged)
        assert fresh.size >= self.size
        self._peaks, self._places, self._sequences = fresh._peaks, fresh._places, fresh._sequences
        self.size, self.heads = fresh.size, fresh.heads

    async def _read_heads(self) -> None:
        rows = await self._connection.fetch("SELECT size, root, note FROM audit.checkpoint WHERE size >= $1", self.size)
        for row in rows:
            body = self._verifier.open(row["note"]).split("\n")
            assert (int(body[1]), base64.b64decode(body[2])) == (row["size"], row["root"])
            assert self.heads.setdefault(row["size"], row["root"]) == row["root"], "two heads of one size"

    def _take(self, row: asyncpg.Record) -> None:
        assert row["index"] == self.size, "the log has a gap"
        said = json.loads(row["leaf"])
        key = (said["tenant"], said["id"])
        assert key not in self._places, f"{key} is there twice"
        self._places[key] = row["index"]
        if "runid" in said:
            run = (said["tenant"], said["runid"])
            self._sequences[run] = self._sequences.get(run, 0) + 1
            assert said["runsequence"] == self._sequences[run], "a run has a gap"
        hashed = hashlib.sha256(b"\x00" + row["leaf"]).digest()
        assert hashed == row["leaf_hash"]
        self._push(hashed)
        if self.size in self.heads:
            assert self._root() == self.heads[self.size], f"the head of {self.size} does not fit its entries"

    def _push(self, hashed: bytes) -> None:
        count = self.size
        while count & 1:
            hashed = hashlib.sha256(b"\x01" + self._peaks.pop() + hashed).digest()
            count >>= 1
        self._peaks.append(hashed)
        self.size += 1

    def _root(self) -> bytes:
        root = self._peaks[-1]
        for left in reversed(self._peaks[:-1]):
            root = hashlib.sha256(b"\x01" + left + root).digest()
        return root
