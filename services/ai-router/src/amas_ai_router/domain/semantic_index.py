"""The nearest of a few thousand vectors, by one matrix product. A copy of what the store has, never the truth."""

from __future__ import annotations

import numpy as np

from .lexical_embedding import Vector

_FIRST_ROOM = 16


class VectorIndex:
    """Vectors of one length, each with an id and a stamp that only grows; the oldest leave first."""

    def __init__(self) -> None:
        self._rows: Vector | None = None
        self._ids: list[str] = []
        self._stamps: list[int] = []

    @property
    def last_stamp(self) -> int:
        """Stamp of the newest entry, 0 if there is none."""
        return self._stamps[-1] if self._stamps else 0

    @property
    def nbytes(self) -> int:
        """Memory that the vectors take."""
        return 0 if self._rows is None else self._rows.nbytes

    def __len__(self) -> int:
        """Entries held now."""
        return len(self._ids)

    def add(self, entry_id: str, stamp: int, vector: Vector) -> None:
        """Appends an entry; one that is not newer than the newest, or of another length, is ignored."""
        if stamp <= self.last_stamp:
            return
        if self._rows is None or not self._ids:
            self._rows = np.empty((_FIRST_ROOM, len(vector)), dtype=np.float32)
        if len(vector) != self._rows.shape[1]:
            return
        count = len(self._ids)
        if count == len(self._rows):
            grown = np.empty((2 * count, len(vector)), dtype=np.float32)
            grown[:count] = self._rows
            self._rows = grown
        self._rows[count] = vector
        self._ids.append(entry_id)
        self._stamps.append(stamp)

    def drop_before(self, stamp: int) -> None:
        """Forgets entries older than a stamp."""
        gone = 0
        while gone < len(self._stamps) and self._stamps[gone] < stamp:
            gone += 1
        if not gone:
            return
        left = len(self._ids) - gone
        if self._rows is not None:
            self._rows[:left] = self._rows[gone : gone + left].copy()
        del self._ids[:gone], self._stamps[:gone]
        if not left:
            self._rows = None

    def nearest(self, vector: Vector) -> tuple[str, float] | None:
        """Id and cosine similarity (vectors have length 1) of the nearest entry; of equals, the newest."""
        count = len(self._ids)
        if not count or self._rows is None or self._rows.shape[1] != len(vector):
            return None
        similarities = self._rows[:count] @ vector
        best = count - 1 - int(np.argmax(similarities[::-1]))
        return self._ids[best], float(similarities[best])
