"""The stores on a real Postgres, as the service's own role: what the database itself must hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from amas_chassis.errors import AmasError
from amas_orchestrator.adapters.approval_store import PostgresApprovals
from amas_orchestrator.adapters.bundle_store import PostgresBundles
from amas_orchestrator.adapters.executor_store import PostgresExecutors
from amas_orchestrator.adapters.migrate import MigrationError, migrate, newest_revision
from amas_orchestrator.adapters.postgres_pool import Database, wait_for_database
from amas_orchestrator.adapters.run_store import PostgresRuns
from amas_orchestrator.adapters.webhook_outbox import PostgresOutbox
from amas_orchestrator.domain import answering
from amas_orchestrator.domain.answering import Verdict
from amas_orchestrator.domain.approvals import Approval, ApprovalState, Edit
from amas_orchestrator.domain.errors import OwnershipLost
from amas_orchestrator.domain.events import NewEvent, run_state_changed
from amas_orchestrator.domain.ids import new_run_id
from amas_orchestrator.domain.model import Run, RunState, Usage
from amas_orchestrator.domain.notices import Notice, notice_event
from amas_orchestrator.domain.requirement import EscalationRule, Requirement
from amas_orchestrator.domain.webhooks import Delivery, Endpoint, Endpoints, deliveries
from amas_orchestrator.usecases.ask_human import answer_event

from .. import resources
from ..domain.test_answering import DIGEST, approval
from ..fakes import DEVELOPER, MANAGER, START, policies

pytestmark = pytest.mark.integration


def _dsn(url: str, password_file: Any) -> str:
    user, at, place = url.partition("@")
    return f"{user}:{quote(password_file.read_text().strip())}{at}{place}"


@pytest.fixture
async def stored(database: Any) -> AsyncIterator[Database]:
    """A migrated database, migrated twice to show that this is safe, as the service sees it."""
    access = database("orchestrator")
    owner = _dsn(access.owner_url, access.owner_password_file)
    for _ in range(2):
        await asyncio.to_thread(migrate, owner, "dbos")
    made = await wait_for_database(_dsn(access.service_url, access.service_password_file), newest_revision(), 60)
    yield made
    await made.close()


def a_run(**changes: Any) -> Run:
    """A queued run."""
    made = Run(
        id=new_run_id(START),
        principal=DEVELOPER,
        orchestration="single",
        orchestration_version="1.0.0",
        bundle="sha256:" + "b" * 64,
        state=RunState.QUEUED,
        traceparent=f"00-{'1' * 32}-{'2' * 16}-01",
        input_json="{}",
        created_at=START,
    )
    return replace(made, **changes)


async def test_events_are_written_once_and_without_a_gap(stored: Database) -> None:
    """Parallel writers of one run get sequences without a gap; what is written again stays as it was."""
    runs, run = PostgresRuns(stored), a_run()
    await runs.create(run, "", "d")
    used = Usage(1, 0, 2).to_dict()
    events = [NewEvent(f"s/{n}", "model_called", START, {"usage": used, "text": "a\x00b"}) for n in range(20)]
    await asyncio.gather(*(runs.record(run.id, 1, events[n : n + 2]) for n in range(19)))
    found = await runs.events("acme", run.id, 0, 100)
    assert [event.sequence for event in found] == list(range(1, 22))
    kept = await runs.get("acme", run.id)
    assert kept is not None
    assert (kept.usage.input_tokens, kept.usage.output_tokens) == (20, 40)
    assert not await runs.events("other", run.id, 0, 100)


async def test_a_late_executor_cannot_write(stored: Database) -> None:
    """After a take-over the old token writes nothing; the new one does."""
    runs, run = PostgresRuns(stored), a_run()
    await runs.create(run, "", "d")
    taken = await runs.take_over(run.id, START)
    assert taken is not None
    event = NewEvent("k", "output_repaired", START, {"attempt": 1, "error": ""})
    with pytest.raises(OwnershipLost):
        await runs.record(run.id, 1, [event])
    assert not await runs.record(run.id, taken.fencing_token, [event])


async def test_nothing_is_written_after_the_end(stored: Database) -> None:
    """The event of the end is the last one, whoever comes later."""
    runs, run = PostgresRuns(stored), a_run()
    await runs.create(run, "", "d")
    await runs.record(
        run.id, 1, [run_state_changed("ended", START, RunState.SUCCEEDED, output_json="1", usage=Usage())]
    )
    await runs.record(run.id, 1, [run_state_changed("again", START, RunState.RUNNING)])
    ended = await runs.get("acme", run.id)
    assert ended is not None
    assert (ended.state, ended.output_json) == (RunState.SUCCEEDED, "1")
    assert len(await runs.events("acme", run.id, 0, 10)) == 2
    assert await runs.take_over(run.id, START) is None


async def test_one_key_makes_one_run_however_many_ask(stored: Database) -> None:
    """Ten requests at once with one key are one run; another request under it is refused."""
    runs = PostgresRuns(stored)
    made = await asyncio.gather(*(runs.create(a_run(), "key", "d") for _ in range(10)))
    assert len({run.id for run, _ in made}) == 1
    assert sorted(existed for _, existed in made) == [False] + [True] * 9
    with pytest.raises(AmasError, match="IDEMPOTENCY_KEY_REUSED"):
        await runs.create(a_run(), "key", "other")


async def test_two_answers_at_once_are_one_decision(stored: Database) -> None:
    """Of two managers who decide at the same time, one decides and the other is told so."""
    runs, store, run = PostgresRuns(stored), PostgresApprovals(stored), a_run()
    await runs.create(run, "", "d")
    asked = approval(run_id=run.id, expires_at=START + timedelta(days=1))
    await store.open(asked)
    assert await store.get("acme", asked.id) is None, "nobody sees it before it is on the record"
    await store.publish(asked, 1, [])

    async def answer(name: str, *, approve: bool) -> Approval | None:
        principal = replace(MANAGER, subject=name)

        def rule(found: Approval) -> Approval:
            return answering.answer(found, principal, Verdict(approve, "", DIGEST), START)

        return await store.decide("acme", asked.id, rule, answer_event)

    outcomes = await asyncio.gather(
        answer("one", approve=True),
        answer("two", approve=False),
        runs.request_cancel("other", run.id, "x", "", START),
        return_exceptions=True,
    )
    refusals = [outcome for outcome in outcomes if isinstance(outcome, AmasError)]
    assert [refusal.reason for refusal in refusals] == ["APPROVAL_ALREADY_DECIDED"]
    kept = await store.get("acme", asked.id)
    assert kept is not None
    assert len(kept.answers) == 1
    assert await store.decide("acme", asked.id, lambda found: found, answer_event) == kept, "nothing to write"
    assert await store.get("acme", asked.id) == kept
    assert [a.id for a in await store.unsent_wakes(10)] == [asked.id]
    await store.wake_sent(asked.id)
    assert not await store.unsent_wakes(10)


async def test_notices_are_due_in_their_time_and_told_once(stored: Database) -> None:
    """Two executors that tell at once write one event; what is decided or over is told to nobody."""
    runs, store, run = PostgresRuns(stored), PostgresApprovals(stored), a_run()
    await runs.create(run, "", "d")
    rules = (EscalationRule(900.0, ("directors",)),)
    asked = approval(run_id=run.id, requirement=Requirement(("release-managers",), 1, True, 1800.0, 600.0, rules))
    await store.open(asked)
    for _ in range(2):
        await store.publish(asked, 1, [])
    assert await store.due_notices(START + timedelta(seconds=599), 10) == []
    [(found, reminder)] = await store.due_notices(START + timedelta(seconds=600), 10)
    assert (found.requirement, reminder.kind, reminder.groups) == (asked.requirement, "reminded", ("release-managers",))
    event = notice_event(found, reminder)
    await asyncio.gather(*(store.noticed(reminder, event, run.id) for _ in range(3)))
    told = [event.kind for event in await runs.events("acme", run.id, 0, 100)]
    assert told.count("approval_reminded") == 1
    [(_, escalation)] = await store.due_notices(START + timedelta(seconds=900), 10)
    assert (escalation.kind, escalation.groups) == ("escalated", ("directors",))
    assert await store.due_notices(START + timedelta(seconds=1800), 10) == [], "it is over"
    assert await store.due_notices(START + timedelta(seconds=900), 10) == [], "and stays so"


async def test_what_receivers_are_told_is_collected_once(stored: Database) -> None:
    """Two executors that collect at once make one message; a decision makes another; other tenants make none."""
    runs, store, outbox, run = PostgresRuns(stored), PostgresApprovals(stored), PostgresOutbox(stored), a_run()
    await runs.create(run, "", "d")
    rules = (EscalationRule(900.0, ("directors",)),)
    asked = approval(run_id=run.id, requirement=Requirement(("release-managers",), 1, True, 1800.0, None, rules))
    await store.open(asked)
    ours, theirs = frozenset({"acme"}), frozenset({"globex"})
    hooks = Endpoints((Endpoint("chat", "acme", "https://hooks.example.com/", ("one",)),))

    def compose(found: Approval, notice: Notice | None) -> list[Delivery]:
        return deliveries(hooks, found, notice, now=START)

    assert await outbox.collect(ours, compose, START, 10) == 0, "nobody is told of what is not on the record"
    await store.publish(asked, 1, [])
    assert await outbox.collect(theirs, compose, START, 10) == 0
    counts = await asyncio.gather(*(outbox.collect(ours, compose, START, 10) for _ in range(3)))
    assert sum(counts) == 1
    later = START + timedelta(seconds=900)
    [(found, notice)] = await store.due_notices(later, 10)
    await store.noticed(notice, notice_event(found, notice), run.id)
    assert await outbox.collect(ours, compose, later, 10) == 1

    def rule(found: Approval) -> Approval:
        return answering.answer(found, MANAGER, Verdict(True, "", DIGEST), later)

    await store.decide("acme", asked.id, rule, answer_event)
    assert await outbox.collect(ours, compose, later, 10) == 1
    claims = await asyncio.gather(*(outbox.due(later, later + timedelta(seconds=60), 10) for _ in range(3)))
    claimed = [delivery for found in claims for delivery in found]
    assert sorted(json.loads(delivery.body)["type"] for delivery in claimed) == [
        "approval.decided",
        "approval.escalated",
        "approval.requested",
    ]
    assert len({delivery.id for delivery in claimed}) == 3
    first, second, third = claimed
    await outbox.delivered(first.id)
    await outbox.failed(second.id, later + timedelta(seconds=90))
    await outbox.failed(third.id, None)
    assert await outbox.due(later + timedelta(seconds=60), later, 10) == []
    [again] = await outbox.due(later + timedelta(seconds=90), later + timedelta(seconds=100), 10)
    assert (again, again.attempts) == (second, 1)
    async with stored.connection() as connection:
        kept = await connection.fetch("SELECT body FROM orchestrator.webhook_outbox WHERE state <> 'waiting'")
    assert [row["body"] for row in kept] == ["", ""], "what was told is not kept"


async def test_an_edit_is_stored_with_its_answer(stored: Database) -> None:
    """The edit and the answer about it are read back as they were; both digests are named."""
    runs, store, run = PostgresRuns(stored), PostgresApprovals(stored), a_run()
    await runs.create(run, "", "d")
    asked = approval(run_id=run.id)
    await store.open(asked)
    await store.publish(asked, 1, [])
    other = "sha256:" + "e" * 64
    edit = Edit(other, '{"a":1}', "release-manager", "https://issuer", START, asked.reasons, asked.requirement)

    def rule(found: Approval) -> Approval:
        return answering.answer(found, MANAGER, Verdict(True, "better", other), START, edit)

    decided = await store.decide("acme", asked.id, rule, answer_event)
    assert decided is not None
    kept = await store.get("acme", asked.id)
    assert kept == decided
    assert (kept.edits, kept.approved_question and kept.approved_question.action_digest) == ((edit,), other)


async def test_an_expired_approval_settles_as_expired(stored: Database) -> None:
    """Settling before the expiry leaves it pending; after it, it is a denial for good."""
    runs, store, run = PostgresRuns(stored), PostgresApprovals(stored), a_run()
    await runs.create(run, "", "d")
    asked = await store.open(approval(run_id=run.id))
    await store.publish(asked, 1, [])
    assert (await store.settle(asked.id, START)).state is ApprovalState.PENDING
    assert (await store.settle(asked.id, asked.expires_at)).state is ApprovalState.EXPIRED


async def test_what_waits_for_people_is_counted_by_tenant(stored: Database) -> None:
    """I8: only what is pending and not expired, and only the tenant's own."""
    runs, store, run = PostgresRuns(stored), PostgresApprovals(stored), a_run()
    await runs.create(run, "", "d")
    for number in range(3):
        asked = await store.open(approval(run_id=run.id, id=f"a-{number}"))
        if number:
            await store.publish(asked, 1, [])
    assert await store.waiting("acme", START) == 2
    assert await store.waiting("globex", START) == 0
    assert await store.waiting("acme", asked.expires_at) == 0
    await store.cancel_pending(run.id)
    assert await store.waiting("acme", START) == 0


async def test_two_who_apply_at_once_do_not_overwrite_each_other(stored: Database) -> None:
    """The second is told that resources changed; bundles are read back as they were built."""
    bundles = PostgresBundles(stored)
    one = resources.bundle_of(resources.SHARED)
    other = resources.bundle_of(resources.SHARED, resources.role("worker"))
    made = await asyncio.gather(
        bundles.activate(DEVELOPER, one, "", START),
        bundles.activate(DEVELOPER, other, "", START),
        return_exceptions=True,
    )
    assert [error.reason for error in made if isinstance(error, AmasError)] == ["RESOURCES_CHANGED"]
    fresh = PostgresBundles(stored)
    active = await fresh.active("acme")
    assert active is not None
    assert active[1].digest in (one.digest, other.digest)
    assert active[1].policies.wasm == policies().wasm
    assert await fresh.active("other") is None
    assert await fresh.pinned("other", active[1].digest) is None


async def test_leases_run_out_and_are_claimed_once(stored: Database) -> None:
    """A released executor is claimed at once, a silent one when its lease is over, each by one; it cannot come back."""
    store = PostgresExecutors(stored)
    for name in ("a", "b", "released", "silent"):
        await store.register(name, 0.0 if name == "silent" else 60)
    await store.release("released")
    assert await store.claim_dead("a", 60, only_released=True) == ["released"]
    claims = await asyncio.gather(*(store.claim_dead(name, 60, only_released=False) for name in ("a", "b")))
    assert [name for claimed in claims for name in claimed].count("silent") == 1
    assert not await store.renew("silent", 60)
    assert await store.renew("a", 60)
    await store.cleared("silent")
    assert await store.unknown(["silent", "a", "never"]) == ["silent", "never"]


async def test_the_service_cannot_change_its_schema(stored: Database) -> None:
    """The role that serves owns nothing: no table can be made, changed or dropped by it, and no event deleted."""
    for statement in (
        "CREATE TABLE orchestrator.x (y int)",
        "DROP TABLE orchestrator.runs",
        "ALTER TABLE dbos.workflow_status ADD COLUMN x int",
        "CREATE TABLE dbos.x (y int)",
        "DELETE FROM orchestrator.run_events",
        "UPDATE orchestrator.run_events SET step = ''",
        "UPDATE orchestrator.bundles SET content = ''",
        "DELETE FROM orchestrator.approval_answers",
        "UPDATE orchestrator.approval_answers SET approved = true",
        "UPDATE orchestrator.approval_edits SET arguments_json = '{}'",
    ):
        async with stored.connection() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_migration_that_cannot_be_done_says_why_in_a_sentence(database: Any) -> None:
    """A wrong password or a server that is away is one sentence without the password."""
    access = database("orchestrator")
    user, _, place = access.owner_url.partition("@")
    for dsn in (f"{user}:wrong-secret@{place}", "postgresql://x:wrong-secret@127.0.0.1:1/none"):
        with pytest.raises(MigrationError) as refusal:
            await asyncio.to_thread(migrate, dsn, "dbos")
        assert "cannot be migrated" in str(refusal.value)
        assert "wrong-secret" not in str(refusal.value)
