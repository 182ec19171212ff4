"""Gives a group of submissions their places in the log, each submission whole or not at all.

Pure: what the log holds is handed in, what is to be written comes out. A submission that is refused must leave no
trace in its neighbours' places.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from amas_chassis.errors import AmasError

from amas_audit.domain.errors import event_archived, event_conflict, fenced
from amas_audit.domain.leaf import decode, placed, same_content
from amas_audit.domain.merkle import leaf_hash
from amas_audit.domain.model import Appended, Described, Event, Prepared, Submission
from amas_audit.domain.preparing import prepare
from amas_audit.domain.sealing import Sealer

# (tenant, event id) and (tenant, run id).
EventKey = tuple[str, str]
RunKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event that stands in the log."""

    index: int
    run_sequence: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run has come in the log."""

    last_sequence: int = 0
    highest_token: int = 0


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry that is to be written."""

    index: int
    run_sequence: int
    event: Event
    source: str
    leaf: bytes
    leaf_hash: bytes
    described: Described
    # Of the event's contents, in the order of `event.sealed`.
    ciphertexts: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to answer to each submission, and what to write before any of the answers is given."""

    outcomes: tuple[tuple[Appended, ...] | AmasError, ...]
    entries: tuple[NewEntry, ...]
    fences: Mapping[RunKey, int]


@dataclass(slots=True)
class _Draft:
    """The log as it will be after the submissions that were taken so far."""

    size: int
    known: dict[EventKey, Recorded]
    runs: dict[RunKey, RunState]
    sealer: Sealer
    archived: Collection[EventKey]
    entries: list[NewEntry] = field(default_factory=list)
    fences: dict[RunKey, int] = field(default_factory=dict)


def plan(
    submissions: Sequence[Submission],
    *,
    size: int,
    known: Mapping[EventKey, Recorded],
    runs: Mapping[RunKey, RunState],
    sealer: Sealer,
    archived: Collection[EventKey] = (),
) -> Plan:
    """Places for a group in a log of `size` entries, in the order of the group.

    `known` has those of the group's events that stand in the log; `runs` the state of the runs that the group names;
    `sealer` the keys of its contents, to which those that it makes are added; `archived` has those of the events whose
    entries are in the archive alone.
    """
    draft = _Draft(size, dict(known), dict(runs), sealer, archived)
    outcomes: list[tuple[Appended, ...] | AmasError] = []
    for submission in submissions:
        try:
            outcomes.append(_place(prepare(submission), draft))
        except AmasError as error:
            outcomes.append(error)
    return Plan(tuple(outcomes), tuple(draft.entries), draft.fences)


def _place(submission: Submission, draft: _Draft) -> tuple[Appended, ...]:
    """Places of one submission. Raises before it has changed the draft, or does not raise."""
    runs = _checked_runs(submission, draft)
    placed: dict[EventKey, Recorded] = {}
    entries: list[NewEntry] = []
    answers: list[Appended] = []
    for event, ready in zip(submission.events, submission.prepared, strict=True):
        key = (event.tenant, event.id)
        if key in draft.archived:
            raise event_archived(event.id)
        recorded = placed.get(key) or draft.known.get(key)
        if recorded is not None:
            if not _same(recorded.leaf, event, submission.source, draft.sealer):
                raise event_conflict(event.id)
            answers.append(Appended(event.id, recorded.index, recorded.run_sequence, duplicate=True))
            continue
        entry = _entry(event, ready, submission.source, draft.size + len(entries), runs, draft.sealer)
        entries.append(entry)
        placed[key] = Recorded(entry.index, entry.run_sequence, entry.leaf)
        answers.append(Appended(event.id, entry.index, entry.run_sequence, duplicate=False))
    for run, state in runs.items():
        if state.highest_token > draft.runs.get(run, RunState()).highest_token:
            draft.fences[run] = state.highest_token
    draft.runs.update(runs)
    draft.known.update(placed)
    draft.entries.extend(entries)
    draft.size += len(entries)
    return tuple(answers)


def _checked_runs(submission: Submission, draft: _Draft) -> dict[RunKey, RunState]:
    """States of the submission's runs under its token. Raises FENCED if one has seen a higher token."""
    runs: dict[RunKey, RunState] = {}
    token = submission.fencing_token
    for event in submission.events:
        key = (event.tenant, event.run_id)
        if not event.run_id or key in runs:
            continue
        state = draft.runs.get(key, RunState())
        if token and token < state.highest_token:
            raise fenced(event.run_id, state.highest_token)
        runs[key] = RunState(state.last_sequence, max(token, state.highest_token))
    return runs


def _same(leaf: bytes, event: Event, source: str, sealer: Sealer) -> bool:
    return same_content(leaf, event, source) and sealer.holds(decode(leaf)[0].sealed, event)


def _entry(
    event: Event, ready: Prepared, source: str, index: int, runs: dict[RunKey, RunState], sealer: Sealer
) -> NewEntry:
    sequence = 0
    if event.run_id:
        key = (event.tenant, event.run_id)
        state = runs[key]
        sequence = state.last_sequence + 1
        runs[key] = RunState(sequence, state.highest_token)
    parts = (ready.head, ready.body, ready.tail)
    if not event.contents:
        leaf = placed(parts, (), sequence)
        return NewEntry(index, sequence, event, source, leaf, leaf_hash(leaf), ready.described)
    sealed = sealer.seal(event)
    ciphertexts = sealer.encrypt(event, sealed)
    leaf = placed(parts, sealed, sequence)
    kept = replace(event, contents=(), sealed=sealed)
    return NewEntry(index, sequence, kept, source, leaf, leaf_hash(leaf), ready.described, ciphertexts)
