"""In-memory twins of the ports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.contents import Opened
from amas_audit.domain.facets import answers, describe
from amas_audit.domain.leaf import decode
from amas_audit.domain.merkle import leaf_hash
from amas_audit.domain.model import Appended, Entry, EventFilter, Page, SignedHead, Submission
from amas_audit.domain.sealing import Sealer, Subject, SubjectKey, open_sealed
from amas_audit.domain.sequencing import NewEntry, Recorded, RunState, plan
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.domain.tiles import Edge, Tile, TileHashes, TileId
from amas_chassis.errors import AmasError


class MemoryLog:
    """`ports.Log`, `ports.LogReader` and `ports.ContentReader` over lists; heads are kept for every append."""

    def __init__(self, signer: NoteSigner) -> None:
        self._signer = signer
        self._edge = Edge()
        self._tiles: dict[TileId, Sequence[bytes]] = {}
        self._entries: list[NewEntry] = []
        self._runs: dict[tuple[str, str], RunState] = {}
        self._current: dict[Subject, SubjectKey] = {}
        self.keys: dict[str, SubjectKey] = {}
        self.erased: dict[str, str] = {}
        self.heads: list[SignedHead] = []
        self._sign()

    async def append(self, submission: Submission) -> tuple[Appended, ...]:
        known = {
            (entry.event.tenant, entry.event.id): Recorded(entry.index, entry.run_sequence, entry.leaf)
            for entry in self._entries
        }
        sealer = Sealer(self._current, self.keys)
        made = plan([submission], size=len(self._entries), known=known, runs=self._runs, sealer=sealer)
        outcome = made.outcomes[0]
        if isinstance(outcome, AmasError):
            raise outcome
        self.keys.update(sealer.made)
        for entry in made.entries:
            self._entries.append(entry)
            if entry.event.run_id:
                self._runs[entry.event.tenant, entry.event.run_id] = RunState(entry.run_sequence)
        self._edge, filled = self._edge.extended([leaf_hash(entry.leaf) for entry in made.entries])
        self._keep(filled)
        self._sign()
        return outcome

    async def entries(self, wanted: EventFilter, *, start: int, end: int | None, limit: int, max_bytes: int) -> Page:
        past = len(self._entries) if end is None else end
        found = [
            entry
            for entry in self._entries[start:past]
            if answers(wanted, describe(entry.event, entry.source), entry.event.id)
        ]
        if wanted.newest_first:
            found.reverse()
        taken: list[NewEntry] = []
        weight = 0
        for entry in found[:limit]:
            if taken and weight >= max_bytes:
                break
            taken.append(entry)
            weight += len(entry.leaf)
        shown = []
        for entry in taken:
            event, source, sequence = decode(entry.leaf)
            shown.append(Entry(entry.index, sequence, source, event, entry.leaf))
        return Page(tuple(shown), more=len(found) > len(taken))

    async def opened(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        return tuple(
            replace(entry, contents=tuple(self._opened(entry, at) for at in range(len(entry.event.sealed))))
            for entry in entries
        )

    def _opened(self, entry: Entry, at: int) -> Opened:
        sealed = entry.event.sealed[at]
        if sealed.key not in self.keys:
            return Opened(sealed, erased_by=self.erased.get(sealed.key, ""))
        ciphertext = self._entries[entry.index].ciphertexts[at]
        return open_sealed(entry.event, sealed, self.keys[sealed.key], ciphertext)

    def leaves(self) -> list[bytes]:
        return [entry.leaf for entry in self._entries]

    async def holds(self, tenant: str, index: int) -> bool:
        return 0 <= index < len(self._entries) and self._entries[index].event.tenant == tenant

    async def head(self, size: int | None = None) -> SignedHead | None:
        found = [head for head in self.heads if size is None or head.size == size]
        return found[-1] if found else None

    async def tiles(self, ids: Iterable[TileId]) -> Mapping[TileId, TileHashes]:
        edge = {(level, self._edge.size >> (8 * level) >> 8): row for level, row in enumerate(self._edge.partial)}
        return {tile: TileHashes(self._tiles.get(tile) or edge[tile]) for tile in ids}

    def _keep(self, filled: Sequence[Tile]) -> None:
        self._tiles.update({(tile.level, tile.position): tile.hashes for tile in filled})

    def _sign(self) -> None:
        size, root = self._edge.size, self._edge.root()
        note = self._signer.sign(Checkpoint(self._signer.verifier.name, size, root).body())
        self.heads.append(SignedHead(size, root, note))


@dataclass
class RecordingTelemetry:
    """Keeps what it is told."""

    acknowledged: list[tuple[str, int, int]] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)

    def appended(self, source: str, new: int, duplicates: int, seconds: float) -> None:
        self.acknowledged.append((source, new, duplicates))

    def refused(self, source: str, reason: str) -> None:
        self.refusals.append((source, reason))

    def waiting(self, events: int) -> None:
        pass

    def lag(self, seconds: float) -> None:
        pass
