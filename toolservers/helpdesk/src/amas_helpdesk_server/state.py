"""The records of a help desk and its ledger, in one SQLite file: an effect and its line are one transaction.

The ledger is what an outsider believes: it says what really happened, whatever anybody else has written down.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "helpdesk.sqlite3"
KINDS = frozenset({"customer", "order", "ticket", "article", "mail", "refund"})
BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for another."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, id)
);
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class Effect:
    """One line of the ledger."""

    number: int
    at: str
    tool: str
    arguments: dict[str, Any]


class State:
    """One folder's records; each operation has a connection of its own, so that threads and processes may share it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @classmethod
    def open(cls, folder: Path) -> State:
        """The state in a folder; both are made if they are missing."""
        folder.mkdir(parents=True, exist_ok=True)
        state = cls(folder / FILE)
        with state.transaction() as change:
            change.prepare()
        return state

    @contextmanager
    def transaction(self) -> Iterator[Change]:
        """All of it or nothing."""
        with closing(sqlite3.connect(self._file, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Change(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def find(self, kind: str, record: str) -> dict[str, Any] | None:
        """One record."""
        with self.transaction() as change:
            return change.find(kind, record)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every record of a kind, by its id."""
        with self.transaction() as change:
            return change.all(kind)

    def ledger(self) -> list[Effect]:
        """What was done, in the order in which it was done."""
        with self.transaction() as change:
            return change.ledger()


class Change:
    """The records inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def prepare(self) -> None:
        """Makes the tables."""
        for statement in _SCHEMA.split(";"):
            self._connection.execute(statement)

    def find(self, kind: str, record: str) -> dict[str, Any] | None:
        """One record."""
        row = self._connection.execute(
            "SELECT document FROM records WHERE kind = ? AND id = ?", (kind, record)
        ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every record of a kind, by its id."""
        rows = self._connection.execute("SELECT document FROM records WHERE kind = ? ORDER BY id", (kind,))
        return [dict(json.loads(row[0])) for row in rows]

    def put(self, kind: str, record: str, document: Mapping[str, Any]) -> None:
        """Writes one record as a whole."""
        if kind not in KINDS:
            raise ValueError(f"there are no records of the kind {kind}")
        text = json.dumps(dict(document), ensure_ascii=False)
        self._connection.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (kind, record, text))

    def remove(self, kind: str, record: str) -> None:
        """Takes one record away."""
        self._connection.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind, record))

    def note(self, tool: str, arguments: Mapping[str, Any]) -> int:
        """Writes a line into the ledger; answers its number."""
        row = (datetime.now(UTC).isoformat(), tool, json.dumps(dict(arguments), ensure_ascii=False))
        done = self._connection.execute("INSERT INTO ledger (at, tool, arguments) VALUES (?, ?, ?)", row)
        return int(done.lastrowid or 0)

    def ledger(self) -> list[Effect]:
        """Every line."""
        rows = self._connection.execute("SELECT number, at, tool, arguments FROM ledger ORDER BY number")
        return [Effect(int(number), at, tool, json.loads(arguments)) for number, at, tool, arguments in rows]
