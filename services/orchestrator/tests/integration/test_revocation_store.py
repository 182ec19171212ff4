"""Revocations on a real Postgres, as the service's own role: order, history, and which runs they touch."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from amas_governance.revocations import Revocable, RevocationKind
from amas_orchestrator.adapters.postgres_pool import Database
from amas_orchestrator.adapters.revocation_store import PostgresRevocations
from amas_orchestrator.adapters.run_store import PostgresRuns
from amas_orchestrator.domain.events import step_state_changed
from amas_orchestrator.domain.model import Run, StepState
from amas_orchestrator.domain.revocations import Revocation

from ..fakes import START
from .test_stores import a_run, stored

__all__ = ["stored"]
pytestmark = pytest.mark.integration

ROLE, TOOL, PRINCIPAL, BUNDLE = RevocationKind


def revocation(kind: RevocationKind, name: str, number: int = 1, tenant: str = "acme") -> Revocation:
    return Revocation(f"rev-{tenant}-{number}", tenant, kind, name, "because", "admin", START)


@pytest.fixture
def revocations(stored: Database) -> PostgresRevocations:
    return PostgresRevocations(stored)


async def test_versions_grow_and_what_holds_is_told_with_them(revocations: PostgresRevocations) -> None:
    """Each change has a version above all before it; what it says is what holds then."""
    first = await revocations.current()
    assert not first.members
    made, existed = await revocations.add(revocation(ROLE, "writer"))
    second = await revocations.current()
    assert (existed, second.members) == (False, {Revocable("acme", ROLE, "writer")})
    lifted, existed = await revocations.lift(made.what, "admin", "fine", START)
    third = await revocations.current()
    assert (existed, third.members) == (False, frozenset())
    assert first.version < second.version < third.version
    assert lifted is not None
    assert (lifted.id, lifted.lifted_by, lifted.lift_reason, lifted.lifted_at) == (made.id, "admin", "fine", START)


async def test_one_holds_however_many_ask_at_once(revocations: PostgresRevocations) -> None:
    """Ten at once make one; one of them made it; all are told the same."""
    asked = [revocation(ROLE, "writer", number) for number in range(10)]
    answers = await asyncio.gather(*(revocations.add(one) for one in asked))
    assert len({made.id for made, _ in answers}) == 1
    assert [existed for _, existed in answers].count(False) == 1
    assert await revocations.count("acme") == 1


async def test_history_is_kept_and_cannot_be_changed(revocations: PostgresRevocations, stored: Database) -> None:
    """Least privilege: the service can lift, and neither delete nor rewrite."""
    made, _ = await revocations.add(revocation(TOOL, "git/commit", 1))
    await revocations.lift(made.what, "admin", "", START)
    assert await revocations.lift(made.what, "other", "", START + timedelta(days=1)) == (
        await revocations.newest(made.what),
        True,
    )
    again, _ = await revocations.add(revocation(TOOL, "git/commit", 2))
    assert await revocations.newest(made.what) == again
    assert [one.id for one in await revocations.page("acme", 10, "", lifted_too=True)] == ["rev-acme-2", "rev-acme-1"]
    assert [one.id for one in await revocations.page("acme", 10, "", lifted_too=False)] == ["rev-acme-2"]
    assert not await revocations.page("globex", 10, "", lifted_too=True)
    for statement in ("DELETE FROM orchestrator.revocations", "UPDATE orchestrator.revocations SET name = 'x'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with stored.connection() as connection:
                await connection.execute(statement)


async def _at_work(runs: PostgresRuns, role: str, state: StepState, **changes: object) -> Run:
    """A run with one step of a role, in a state."""
    run, _ = await runs.create(a_run(**changes), "", "digest")
    await runs.begin(run.id, START)
    events = [step_state_changed("only", "running", START, StepState.RUNNING, role)]
    if state is not StepState.RUNNING:
        events.append(step_state_changed("only", "then", START, state, role))
    await runs.record(run.id, run.fencing_token, events)
    return run


async def test_runs_that_a_revocation_ends(revocations: PostgresRevocations, stored: Database) -> None:
    """Of the principal, under the bundle, with a step of the role at work or waiting; no other, and none twice."""
    runs = PostgresRuns(stored)
    working = await _at_work(runs, "writer", StepState.RUNNING, id="run-1")
    waiting = await _at_work(runs, "reader", StepState.WAITING, id="run-2")
    await _at_work(runs, "writer", StepState.SUCCEEDED, id="run-3")
    assert set(await revocations.bundles_in_use("acme")) == {working.bundle}
    assert not await revocations.touched_runs(10)
    for number, (kind, name, ids) in enumerate(
        (
            (ROLE, "writer", {working.id}),
            (ROLE, "reader", {waiting.id}),
            (ROLE, "other", set()),
            (TOOL, "writer", set()),
            (PRINCIPAL, "developer", {"run-1", "run-2", "run-3"}),
            (BUNDLE, working.bundle, {"run-1", "run-2", "run-3"}),
        )
    ):
        one, _ = await revocations.add(revocation(kind, name, number))
        touched = await revocations.touched_runs(10)
        assert {run_id for run_id, _ in touched} == ids
        assert all(what == one.what for _, what in touched)
        await revocations.lift(one.what, "admin", "", START)
    await revocations.add(revocation(PRINCIPAL, "developer", 8, tenant="globex"))
    assert not await revocations.touched_runs(10)
    await revocations.add(revocation(ROLE, "writer", 9))
    told = await runs.request_cancel("acme", working.id, "", "role writer is revoked", START, revoked=True)
    assert told is not None
    assert told.cancel is not None
    assert told.cancel["revoked"] is True
    assert not await revocations.touched_runs(10)
