"""Starting, cancelling, watching, applying, taking over and waiting, on fakes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.bundle import Bundle
from amas_governance.loader import SourceFile
from amas_orchestrator.domain.errors import OwnershipLost
from amas_orchestrator.domain.events import run_state_changed
from amas_orchestrator.domain.model import RunState
from amas_orchestrator.usecases.apply_resources import ApplyResources
from amas_orchestrator.usecases.ask_administration import AskAdministration
from amas_orchestrator.usecases.cancel_run import CancelRun
from amas_orchestrator.usecases.read_resources import ReadResources
from amas_orchestrator.usecases.read_runs import ReadRuns
from amas_orchestrator.usecases.take_over import TakeOver
from amas_orchestrator.usecases.watch_run import WatchRun

from .. import resources
from ..fakes import DEVELOPER, MANAGER, START, policies
from ..world import World, says


@pytest.fixture
def made() -> World:
    """A world with all graphs."""
    return World(resources.bundle_of(resources.ALL), lambda _, __: says({"text": "x"}))


async def test_a_run_is_pinned_to_the_active_bundle(made: World) -> None:
    """A run keeps the bundle that was active when it was started."""
    workflow = await made.start("single")
    run = made.runs.runs[workflow.workflow_id]
    assert run.bundle == made.bundles.active_digest["acme"]
    assert made.engine.enqueued == [run.id]


@pytest.mark.parametrize(
    ("text", "field"), [("{", "input"), ('{"topic": 1}', "input.topic"), ('{"topic":"a","topic":"b"}', "input")]
)
async def test_bad_input_names_the_field(made: World, text: str, field: str) -> None:
    """What is wrong with an input is said with its place, and nothing is started."""
    with pytest.raises(AmasError) as refusal:
        await made.start_run(DEVELOPER, "single", text, "", "")
    assert (refusal.value.kind, refusal.value.reason) == (ErrorKind.INVALID_ARGUMENT, "INPUT_INVALID")
    assert refusal.value.violations[0].field == field
    assert not made.runs.runs


async def test_an_unknown_orchestration_is_not_found(made: World) -> None:
    """Also where a tenant has no resources at all."""
    for principal in (DEVELOPER, replace(DEVELOPER, tenant="other")):
        with pytest.raises(AmasError, match="ORCHESTRATION_NOT_FOUND"):
            await made.start_run(principal, "none", "{}", "", "")


DEPRECATED = "  deprecated: {since: 2026-01-01, removal: 2026-11-24, message: It is slow., replacedBy: other}\n"


@pytest.mark.parametrize("deprecated", ["worker", "helper", "last"])
async def test_a_removed_role_takes_no_new_runs_and_leaves_those_in_flight(deprecated: str) -> None:
    """From the day of removal on a run that could come to act as the role is refused; one that started goes on."""
    names = {"worker": "helper", "helper": "last", "last": "", "other": ""}
    texts = [
        resources.role(name, delegates=delegate) + (DEPRECATED if name == deprecated else "")
        for name, delegate in names.items()
    ]
    made = World(resources.bundle_of(resources.SHARED, *texts, resources.SINGLE), lambda _, __: says({"text": "x"}))
    workflow = await made.start("single")
    made.clock.advance(24 * 3600)
    with pytest.raises(AmasError) as refusal:
        await made.start("single")
    assert (refusal.value.kind, refusal.value.reason) == (ErrorKind.FAILED_PRECONDITION, "ROLE_REMOVED")
    assert refusal.value.message == (f"the role {deprecated} was removed on 2026-11-24: It is slow.; use other instead")
    assert (await made.finish(workflow)).state is RunState.SUCCEEDED


async def test_warnings_stop_nothing(made: World) -> None:
    """A deprecated role in use is told at an apply and at a dry run; the apply holds all the same."""
    apply = applying(made)
    file = SourceFile("w.yaml", resources.role("worker") + DEPRECATED + "---" + resources.role("other"))
    for dry_run in (True, False):
        applied = await apply(DEVELOPER, [file], [], dry_run=dry_run)
        told = [str(warning) for warning in applied.warnings]
        assert any("Orchestration single: the role worker is deprecated since 2026-01-01" in text for text in told)
        assert any("w.yaml:6:3: spec.version: AgentRole worker: has changed" in text for text in told)
        assert applied.problems == []
    assert applied.bundle is not None
    assert made.bundles.active_digest["acme"] == applied.bundle.digest


async def test_the_same_key_queues_a_lost_run_again(made: World) -> None:
    """A repetition finds the run and makes up for a queue entry that was never made."""
    run, existed = await made.start_run(DEVELOPER, "single", '{"topic": "a"}', "k", "")
    again, existed_again = await made.start_run(DEVELOPER, "single", '{"topic":  "a"}', "k", "")
    assert (run.id, existed, existed_again) == (again.id, False, True)
    assert made.engine.enqueued == [run.id, run.id]
    with pytest.raises(AmasError, match="IDEMPOTENCY_KEY_REUSED"):
        await made.start_run(DEVELOPER, "single", '{"topic": "b"}', "k", "")


async def test_a_run_that_has_ended_cannot_be_cancelled(made: World) -> None:
    """Only cancelling what is cancelled is the same again."""
    run = await made.run("single")
    cancel = CancelRun(made.runs, made.wakes, made.clock)
    with pytest.raises(AmasError, match="RUN_ALREADY_ENDED"):
        await cancel(DEVELOPER, run.id, "")
    with pytest.raises(AmasError, match="RUN_NOT_FOUND"):
        await cancel(replace(DEVELOPER, tenant="other"), run.id, "")


async def test_pages_of_runs_follow_each_other(made: World) -> None:
    """All runs are seen once, newest first, whatever the page's size."""
    ids = []
    for _ in range(5):
        made.clock.advance(1)
        ids.append((await made.start("single")).workflow_id)
    read, seen, token = ReadRuns(made.runs), [], ""
    while True:
        page, token = await read.page(DEVELOPER, "", None, 2, token)
        seen += [run.id for run in page]
        if not token:
            break
    assert seen == ids[::-1]


class _Wakes:
    def __init__(self) -> None:
        self.closing = False
        self.event = asyncio.Event()

    async def wait(self, run_id: str, timeout_seconds: float) -> None:
        await self.event.wait()
        self.event.clear()


async def test_a_watch_ends_with_its_run(made: World) -> None:
    """A watcher gets what was there, then what comes, and then the end."""
    workflow = await made.start("single")
    wakes = _Wakes()
    watch = WatchRun(made.runs, wakes)(DEVELOPER, workflow.workflow_id, 0)
    await made.runs.record(workflow.workflow_id, 1, [run_state_changed("x", START, RunState.RUNNING)])
    first = await anext(watch)
    assert first.sequence == 1
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await made.runs.record(workflow.workflow_id, 1, [run_state_changed("y", START, RunState.FAILED)])
    wakes.event.set()
    assert (await waiting).payload["state"] == "failed"
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_a_watcher_is_sent_away_by_a_drain(made: World) -> None:
    """A process that ends does not keep watchers; they resume elsewhere."""
    workflow = await made.start("single")
    wakes = _Wakes()
    wakes.closing = True
    with pytest.raises(AmasError, match="DRAINING"):
        await anext(WatchRun(made.runs, wakes)(DEVELOPER, workflow.workflow_id, 0))


def applying(made: World) -> ApplyResources:
    """The use case on the world's fakes."""
    ask = AskAdministration(made.enforcer, policies())
    return ApplyResources(made.bundles, policies(), ask, made.audit, made.clock)


async def test_applying_is_all_or_nothing(made: World) -> None:
    """One bad file keeps all others from being applied, and says where it is wrong."""
    apply = applying(made)
    before = made.bundles.active_digest["acme"]
    good, bad = SourceFile("good.yaml", resources.role("new")), SourceFile("bad.yaml", "kind: Nothing")
    applied = await apply(DEVELOPER, [good, bad], [], dry_run=False)
    assert applied.bundle is None
    assert {problem.file for problem in applied.problems} == {"bad.yaml"}
    assert made.bundles.active_digest["acme"] == before
    assert not made.audit.records


async def test_applying_merges_records_and_activates(made: World) -> None:
    """New resources join those that are there; the change is on the record before it holds."""
    apply = applying(made)
    file = SourceFile("new.yaml", resources.role("new"))
    dry = await apply(DEVELOPER, [file], [], dry_run=True)
    assert [(change.name, change.change) for change in dry.changes] == [("new", "created")]
    assert not made.audit.records
    applied = await apply(DEVELOPER, [file], [], dry_run=False)
    assert applied.bundle is not None
    assert made.bundles.active_digest["acme"] == applied.bundle.digest
    assert made.audit.types() == ["resources.applied"]
    again = await apply(DEVELOPER, [file], [], dry_run=False)
    assert [change.change for change in again.changes] == ["unchanged"]
    deleted = await apply(DEVELOPER, [], [("AgentRole", "new")], dry_run=False)
    assert [change.change for change in deleted.changes] == ["deleted"]


async def test_what_is_needed_cannot_be_deleted(made: World) -> None:
    """A role that an orchestration names stays; so does everything when a name is not there."""
    apply = applying(made)
    for key in (("AgentRole", "worker"), ("AgentRole", "nobody")):
        applied = await apply(DEVELOPER, [], [key], dry_run=False)
        assert applied.problems
        assert applied.bundle is None


async def test_nothing_is_applied_without_a_record(made: World) -> None:
    """When audit is away, the active bundle stays as it is."""
    apply = applying(made)
    before = made.bundles.active_digest["acme"]
    made.audit.failures = [AmasError(ErrorKind.UNAVAILABLE, "AWAY", "away")]
    with pytest.raises(AmasError, match="AWAY"):
        await apply(DEVELOPER, [SourceFile("n.yaml", resources.role("new"))], [], dry_run=False)
    assert made.bundles.active_digest["acme"] == before


@pytest.mark.parametrize("verb", ["apply", "delete"])
async def test_policy_may_forbid_a_change(made: World, verb: str) -> None:
    """I1: what the active bundle's policies deny changes nothing; a dry run asks nobody, since it does nothing."""
    apply = applying(made)
    await apply(DEVELOPER, [SourceFile("n.yaml", resources.role("new"))], [], dry_run=False)
    before, records = made.bundles.active_digest["acme"], len(made.audit.records)
    made.enforcer.denies, made.enforcer.administered = {verb}, []
    files = [SourceFile("o.yaml", resources.role("other"))] if verb == "apply" else []
    delete = [("AgentRole", "new")] if verb == "delete" else []
    assert (await apply(DEVELOPER, files, delete, dry_run=True)).changes
    assert made.enforcer.administered == []
    with pytest.raises(AmasError) as caught:
        await apply(DEVELOPER, files, delete, dry_run=False)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.PERMISSION_DENIED, "ADMIN_ROLE_MISSING")
    assert [(digest, asked) for digest, asked, _ in made.enforcer.administered] == [(before, verb)]
    assert made.bundles.active_digest["acme"] == before
    assert len(made.audit.records) == records


@pytest.mark.parametrize("active", [False, True])
async def test_the_shipped_policies_decide_where_no_other_does(made: World, active: bool) -> None:
    """Without a bundle, or with one that knows nothing of administration, the policies of the process are asked."""
    made.enforcer.knows_administration = False
    shipped = Bundle.build([], policies()).digest
    if not active:
        made.bundles.active_digest.clear()
    made.enforcer.denies = {"apply"}
    server = resources.SHARED.rpartition("---")[2].replace("name: notes", "name: new")
    with pytest.raises(AmasError, match="ADMIN_ROLE_MISSING"):
        await applying(made)(DEVELOPER, [SourceFile("new.yaml", server)], [], dry_run=False)
    assert made.enforcer.administered[-1] == (shipped, "apply", (("ToolServer", "new"),))
    assert len(made.enforcer.administered) == 1 + active


async def test_accepting_tools_is_asked_about_by_itself(made: World) -> None:
    """A tenant may let somebody change resources and yet not accept what a tool server newly offers."""
    pinned = resources.SHARED.replace("spec:\n  transport", f"spec:\n  pin: sha256:{'1' * 64}\n  transport")
    made.enforcer.denies = {"acceptTool"}
    with pytest.raises(AmasError, match="ADMIN_ROLE_MISSING"):
        await applying(made)(DEVELOPER, [SourceFile("shared.yaml", pinned)], [], dry_run=False)
    assert [(verb, named) for _, verb, named in made.enforcer.administered] == [
        ("apply", (("ToolServer", "notes"),)),
        ("acceptTool", (("ToolServer", "notes"),)),
    ]


async def test_resources_are_listed_in_pages(made: World) -> None:
    """All resources of the active bundle are seen once; kind and name narrow."""
    read, seen, token = ReadResources(made.bundles, made.enforcer), [], ""
    while True:
        page, token, info = await read.page(DEVELOPER, "", "", 3, token)
        seen += [(resource.KIND, resource.metadata.name) for resource in page]
        if not token:
            break
    assert info is not None
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 9
    only, _, _ = await read.page(DEVELOPER, "AgentRole", "worker", 0, "")
    assert [resource.metadata.name for resource in only] == ["worker"]
    with pytest.raises(AmasError, match="TOOL_SERVER_NOT_FOUND"):
        await read.describe_tool_server(DEVELOPER, "nothing")
    offer = await read.describe_tool_server(DEVELOPER, "notes")
    assert (offer.pin, offer.accepted_pin) == ("sha256:live", "sha256:accepted")


class _Executors:
    def __init__(self) -> None:
        self.dead = ["old"]
        self.gone: list[str] = []

    async def register(self, executor_id: str, lease_seconds: float) -> None: ...

    async def renew(self, executor_id: str, lease_seconds: float) -> bool:
        return True

    async def release(self, executor_id: str) -> None: ...

    async def claim_dead(self, executor_id: str, lease_seconds: float, *, only_released: bool) -> list[str]:
        return self.dead

    async def unknown(self, executor_ids: object) -> list[str]:
        return ["ghost"]

    async def cleared(self, dead_id: str) -> None:
        self.gone.append(dead_id)


async def test_taking_over_fences_before_it_resumes(made: World) -> None:
    """The new token is on the record before anybody goes on; runs that ended are not touched, only resumed."""
    run_id = (await made.start("single")).workflow_id
    executors = _Executors()
    made.engine.left = {"old": {run_id: [run_id, f"{run_id}/left"]}, "ghost": {}}
    resume = made.engine.resume

    async def watched(workflow_ids: object) -> None:
        assert made.audit.types() == ["run.taken_over"]
        await resume(workflow_ids)  # type: ignore[arg-type]

    made.engine.resume = watched  # type: ignore[method-assign, assignment]
    take_over = TakeOver(executors, made.runs, made.audit, made.engine, made.patience, made.clock, made.metrics)
    assert await take_over("me", 5.0, only_released=False) == 1
    assert made.runs.runs[run_id].fencing_token == 2
    assert made.engine.resumed == [run_id, f"{run_id}/left"]
    assert executors.gone == ["old"]
    assert await take_over.orphans("me") == 0


async def test_nothing_is_resumed_while_audit_is_away(made: World) -> None:
    """Without a record of the new token the old executor would not be fenced, so nobody goes on."""
    run_id = (await made.start("single")).workflow_id
    made.engine.left = {"old": {run_id: [run_id]}}
    made.audit.failures = [AmasError(ErrorKind.INTERNAL, "BROKEN", "broken")]
    take_over = TakeOver(_Executors(), made.runs, made.audit, made.engine, made.patience, made.clock, made.metrics)
    with pytest.raises(AmasError, match="BROKEN"):
        await take_over("me", 5.0, only_released=False)
    assert not made.engine.resumed


async def test_a_late_executor_stops_at_its_next_record(made: World) -> None:
    """Whoever was taken over is refused by audit or by our own tables, and stops without an outcome."""
    workflow = await made.start("single")
    made.audit.highest = 2
    with pytest.raises(OwnershipLost):
        await made.finish(workflow)
    assert not made.runs.runs[workflow.workflow_id].state.ended


async def test_managers_see_runs_of_their_tenant(made: World) -> None:
    """Whoever approves may look at what is asked, in the same tenant only."""
    run = await made.run("single")
    read = ReadRuns(made.runs)
    assert (await read.get(MANAGER, run.id)).id == run.id
    with pytest.raises(AmasError, match="RUN_NOT_FOUND"):
        await read.get(replace(MANAGER, tenant="other"), run.id)
