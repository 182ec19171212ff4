"""The sequencer: writes one group of submissions, the tiles that it fills and a signed checkpoint in one transaction.

One sequencer at a time. An append waits for four round trips to the database: begin and lock, read, write, commit.
Whatever is kept in memory is held against the newest checkpoint before use. It must never answer before the commit,
and it only inserts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from amas_chassis.errors import AmasError

from amas_audit.adapters.log_statements import LogState, SignedRow, read_state, recorded_keys, wait_for_earlier, write
from amas_audit.adapters.master_key import MasterKeys
from amas_audit.adapters.partitions import Partitions
from amas_audit.adapters.postgres_edge import load_edge, load_waiting
from amas_audit.adapters.postgres_pool import Connection, Pool, unavailable_when_away
from amas_audit.adapters.sequencer_turn import sequencer_turn
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.errors import LogDamagedError
from amas_audit.domain.facets import index_blocks
from amas_audit.domain.leaf import decode
from amas_audit.domain.model import Appended, Described, Submission
from amas_audit.domain.retention import Retention
from amas_audit.domain.sealing import Sealer, SubjectKey
from amas_audit.domain.sequencing import Plan, plan
from amas_audit.domain.signed_note import Signer
from amas_audit.domain.tiles import Edge

_NOTHING = Plan((), (), {})


class CommitTelemetry(Protocol):
    """What a commit tells about itself."""

    def committed(self, events: int, tree_size: int, seconds: float) -> None:
        """A group of new events is on disk."""
        ...


class PostgresLog:
    """Commits groups. Callers must not call `commit` again before it has returned."""

    def __init__(
        self,
        pool: Pool,
        signer: Signer,
        masters: MasterKeys,
        *,
        retention: Retention,
        origin: str,
        telemetry: CommitTelemetry,
    ) -> None:
        self._pool = pool
        self._signer = signer
        self._masters = masters
        self._retention = retention
        self._origin = origin
        self._telemetry = telemetry
        self._partitions = Partitions(pool)
        self._edge: Edge | None = None
        self._root = b""
        # Entries at the edge, which are in no index yet. They belong to `_edge`.
        self._waiting: tuple[Described, ...] = ()
        self._damage: LogDamagedError | None = None

    def check(self) -> None:
        """LogDamagedError if the stored log was found not to fit its checkpoint and has not been found to fit since."""
        if self._damage is not None:
            raise self._damage

    async def open(self) -> None:
        """Hold the tree's edge against its newest checkpoint, and sign the head if this key has not.

        LogDamagedError if they differ; AmasError LOG_UNAVAILABLE.
        """
        with unavailable_when_away():
            async with self._pool.acquire() as connection, sequencer_turn(connection):
                state, _ = await self._state(connection, ())
                if state.signed_by != self._signer.verifier.key_id:
                    await write(connection, _NOTHING, (), self._signed(state.size, state.root))
            await self._partitions.make_room(state.size)

    async def commit(self, submissions: Sequence[Submission]) -> Sequence[tuple[Appended, ...] | AmasError]:
        """An answer to each submission, after all that is acknowledged in them is on disk."""
        begun = time.monotonic()
        with unavailable_when_away():
            await self._partitions.make_room(self._edge.size if self._edge else 0)
            async with self._pool.acquire() as connection:
                async with sequencer_turn(connection):
                    state, edge = await self._state(connection, submissions)
                    sealer = await self._sealer(connection, state)
                    made = plan(
                        submissions,
                        size=edge.size,
                        known=state.known,
                        runs=state.runs,
                        sealer=sealer,
                        archived=state.archived,
                    )
                    new_edge, filled = edge.extended([entry.leaf_hash for entry in made.entries])
                    new_root = new_edge.root()
                    facets, waiting = index_blocks(
                        edge.size, self._waiting, (entry.described for entry in made.entries)
                    )
                    if made.entries or made.fences:
                        head = self._signed(new_edge.size, new_root) if made.entries else None
                        await write(connection, made, filled, head, facets, self._new_keys(made, sealer))
                    elif not all(isinstance(outcome, AmasError) for outcome in made.outcomes):
                        await wait_for_earlier(connection)
                # Only here is the group on disk; until then the memory stays at what was before.
                self._edge, self._root, self._waiting = new_edge, new_root, waiting
        self._telemetry.committed(len(made.entries), new_edge.size, time.monotonic() - begun)
        return made.outcomes

    async def _state(self, connection: Connection, submissions: Sequence[Submission]) -> tuple[LogState, Edge]:
        """What the log says about a group, and the edge in memory once it has been held against the newest checkpoint.

        Asked only within a turn, and after its lock: it must see what the last holder committed.
        """
        state = await read_state(
            connection,
            submissions,
            key_id=self._signer.verifier.key_id,
            masters=self._masters,
            kept=self._retention,
        )
        edge = self._edge
        if edge is None or edge.size != state.size or self._root != state.root:
            self._edge = None
            edge = await self._load(connection, state.size, state.root)
            self._waiting = await load_waiting(connection, state.size)
            self._edge, self._root = edge, state.root
        return state, edge

    async def _sealer(self, connection: Connection, state: LogState) -> Sealer:
        """The keys of the group's contents. Those of a retry cost one more question."""
        ids = {sealed.key for known in state.known.values() for sealed in decode(known.leaf)[0].sealed}
        recorded = await recorded_keys(connection, self._masters, ids) if ids else {}
        return Sealer(state.keys, recorded)

    def _new_keys(self, made: Plan, sealer: Sealer) -> list[tuple[SubjectKey, bytes]]:
        """The keys that an entry needs; one that was made for what was refused is forgotten."""
        used = {sealed.key for entry in made.entries for sealed in entry.event.sealed}
        return [(key, self._masters.wrap(key)) for key in sealer.made.values() if key.id in used]

    async def _load(self, connection: Connection, size: int, root: bytes) -> Edge:
        try:
            edge = await load_edge(connection, size)
            if edge.root() != root:
                raise LogDamagedError(f"the entries of the tree of {size} do not lead to its signed root")
        except LogDamagedError as damage:
            self._damage = damage
            raise
        self._damage = None
        return edge

    def _signed(self, size: int, root: bytes) -> SignedRow:
        note = self._signer.sign(Checkpoint(self._origin, size, root).body())
        return SignedRow(size, root, note, self._signer.verifier.key_id)
