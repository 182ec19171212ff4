"""Runs that wait for humans, on fakes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from amas_chassis.errors import AmasError
from amas_orchestrator.domain.answering import Verdict
from amas_orchestrator.domain.approvals import ApprovalKind
from amas_orchestrator.domain.model import Json, RunState
from amas_orchestrator.domain.rendering import rendering_digest
from amas_orchestrator.domain.requirement import Requirement
from amas_orchestrator.ports import Actor

from .. import resources
from ..fakes import MANAGER, UNTRUSTED, Crashed
from ..world import World, calls, results, says


def writer(_: Actor, messages: list[Json]) -> Json:
    """Proposes one write, then is done."""
    return says({"text": results(messages)[0]}) if results(messages) else calls(("notes__write", {"text": "x"}))


@pytest.fixture
def made() -> World:
    """A world whose worker writes."""
    return World(resources.bundle_of(resources.SHARED, resources.role("worker"), resources.SINGLE), writer)


async def test_an_approved_action_is_enforced_again_with_the_grant(made: World) -> None:
    """The grant carries what was shown, and the attempt has a key of its own."""
    run = await made.run("single", None, lambda _: made.decide(True))
    assert run.state is RunState.SUCCEEDED
    approval = next(iter(made.approvals.stored.values()))
    _, _, key, grant = made.enforcer.requests[-1]
    assert key == f"{run.id}/only/0/0/approved-{approval.id}"
    assert grant is not None
    assert (grant.action_digest, grant.bundle, grant.requester) == (approval.action_digest, run.bundle, "developer")
    assert made.audit.types() == [
        "run.started",
        "step.started",
        "approval.requested",
        "approval.decided",
        "step.ended",
        "run.ended",
    ]
    kinds = made.runs.kinds(run.id)
    assert kinds.index("run:waiting") < kinds.index("approval_decided") < kinds.index("only:running", 3)


async def test_the_same_answer_asked_again_is_one(made: World) -> None:
    """A channel asks again when the process that took the answer went away: who gave it is told that it counts."""

    async def twice(_: str) -> None:
        asked = made.pending()
        verdict = Verdict(True, "because", asked.action_digest)
        first = await made.decide_approval(MANAGER, asked.id, verdict)
        assert await made.decide_approval(MANAGER, asked.id, verdict) == first
        for principal, other in (
            (MANAGER, replace(verdict, approve=False)),
            (MANAGER, replace(verdict, reason="another")),
            (MANAGER, replace(verdict, rendering_digest="sha256:another")),
            (replace(MANAGER, subject="another"), verdict),
            (replace(MANAGER, issuer="https://another"), verdict),
        ):
            with pytest.raises(AmasError, match="APPROVAL_ALREADY_DECIDED"):
                await made.decide_approval(principal, asked.id, other)

    run = await made.run("single", None, twice)
    assert run.state is RunState.SUCCEEDED
    assert made.audit.types().count("approval.decided") == 1
    assert made.runs.kinds(run.id).count("approval_decided") == 1


async def test_a_rejection_ends_the_run(made: World) -> None:
    """`onRejected: end` ends the run as rejected, with who said no and why; nothing was done."""
    run = await made.run("single", None, lambda _: made.decide(False))
    assert (run.state, run.reason and run.reason.code) == (RunState.REJECTED, "APPROVAL_REJECTED")
    assert run.reason is not None
    assert "release-manager said no to notes/write: because" in run.reason.message
    assert not made.enforcer.effects


@pytest.mark.parametrize(("policy", "state"), [("fail", RunState.FAILED), ("continue", RunState.SUCCEEDED)])
async def test_what_a_rejection_means_is_up_to_the_orchestration(policy: str, state: RunState) -> None:
    """`fail` fails the run; `continue` goes on without the step."""
    graph = resources.orchestration(
        "single",
        f'    - {{name: only, role: worker, with: {{topic: "a"}}, onRejected: {policy}}}',
        '"${steps.only.state}"',
    )
    made = World(resources.bundle_of(resources.SHARED, resources.role("worker"), graph), writer)
    run = await made.run("single", None, lambda _: made.decide(False))
    assert run.state is state


async def test_no_answer_in_time_is_a_denial(made: World) -> None:
    """An approval that nobody answers expires, and the run ends as rejected."""
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.REJECTED, "APPROVAL_EXPIRED")
    assert not made.enforcer.effects


async def test_an_answer_after_expiry_is_refused(made: World) -> None:
    """Late is late, also when the run has not noticed yet."""

    async def late(_: str) -> None:
        made.clock.advance(3600)
        with pytest.raises(AmasError, match="APPROVAL_EXPIRED"):
            await made.decide(True)

    run = await made.run("single", None, late)
    assert run.state is RunState.REJECTED


async def test_waiting_for_a_human_does_not_use_up_the_wall_clock() -> None:
    """A human may take longer than an agent may work."""
    role = resources.role("worker", bounds="{wallClock: 1m}")
    made = World(resources.bundle_of(resources.SHARED, role, resources.SINGLE), writer)

    async def slow(_: str) -> None:
        made.clock.advance(1000)
        await made.decide(True)

    assert (await made.run("single", None, slow)).state is RunState.SUCCEEDED


async def test_a_crash_while_asking_asks_once(made: World) -> None:
    """The same place asks under the same approval, however often its step is cut."""
    workflow = await made.start("single")
    workflow.crash_in = "only/0/0"
    for _ in range(2):
        with pytest.raises(Crashed):
            await made.finish(workflow)
    workflow.crash_in = ""
    workflow.humans = [lambda _: made.decide(True)]
    run = await made.finish(workflow)
    assert run.state is RunState.SUCCEEDED
    assert len(made.approvals.stored) == 1
    assert made.audit.types().count("approval.requested") == 1
    assert len(made.enforcer.effects) == 1


async def test_a_crash_after_the_effect_repeats_nothing(made: World) -> None:
    """The effect's step is done again under the same key and the same grant."""
    workflow = await made.start("single")
    workflow.humans = [lambda _: made.decide(True), lambda _: None]

    async def crash(name: str) -> None:
        workflow.crash_in = name
        with pytest.raises(Crashed):
            await made.finish(workflow)
        workflow.crash_in = ""

    approval_id = ""
    workflow.crash_in = ""
    run_before = made.runs.runs[workflow.workflow_id]
    assert run_before.state is RunState.QUEUED
    await crash("only/0/0")
    approval_id = next(iter(made.approvals.stored))
    await crash(f"{approval_id}/0")
    run = await made.finish(workflow)
    assert run.state is RunState.SUCCEEDED
    assert made.enforcer.effects == [f"{run.id}/only/0/0/approved-{approval_id}"]


async def test_an_unknown_outcome_asks_humans_and_may_be_repeated(made: World) -> None:
    """Where nobody knows how a call ended, it is repeated only with a human's yes, which says so."""
    made.enforcer.escalates = False
    made.enforcer.unknown_once = {"notes/write"}
    run = await made.run("single", None, lambda _: made.decide(True))
    assert run.state is RunState.SUCCEEDED
    grant = made.enforcer.requests[-1][3]
    assert grant is not None
    assert grant.repeats_unknown_outcome


async def test_an_unknown_outcome_that_is_not_repeated_is_told_to_the_model(made: World) -> None:
    """A no means: go on knowing that nobody knows."""
    made.enforcer.escalates = False
    made.enforcer.unknown_once = {"notes/write"}
    run = await made.run("single", None, lambda _: made.decide(False))
    assert run.state is RunState.SUCCEEDED
    assert json.loads(results(made.model.bodies[1]["messages"])[0])["error"]["code"] == "OUTCOME_UNKNOWN"
    assert not made.enforcer.effects


async def test_a_wake_without_an_answer_keeps_waiting(made: World) -> None:
    """A message that came for another reason changes nothing."""
    run = await made.run("single", None, lambda _: None, lambda _: made.decide(True))
    assert run.state is RunState.SUCCEEDED


async def test_answers_of_the_wrong_people_change_nothing(made: World) -> None:
    """The run goes on waiting after an answer that does not count."""

    async def wrong(_: str) -> None:
        nobody = type(MANAGER)("somebody", "https://issuer", "acme", ("approver",), ("others",))
        with pytest.raises(AmasError, match="APPROVER_NOT_ELIGIBLE"):
            await made.decide(True, nobody)

    run = await made.run("single", None, wrong, lambda _: made.decide(True))
    assert run.state is RunState.SUCCEEDED


async def test_another_tenant_cannot_answer(made: World) -> None:
    """An approval of one tenant does not exist for another."""

    async def foreign(_: str) -> None:
        stranger = type(MANAGER)("release-manager", "https://issuer", "other", (), ("release-managers",))
        with pytest.raises(AmasError, match="APPROVAL_NOT_FOUND"):
            await made.decide(True, stranger)

    run = await made.run("single", None, foreign, lambda _: made.decide(False))
    assert run.state is RunState.REJECTED


async def test_the_record_says_who_answered_and_what_they_were_shown(made: World) -> None:
    """I3: who, by which groups, why, when, about which action, after seeing what: all on the record."""
    await made.run("single", None, lambda _: made.decide(True))
    asked, decided = (record.data for record in made.audit.records if record.type.startswith("dev.amas.approval."))
    approval = next(iter(made.approvals.stored.values()))
    [answer] = decided["answers"]
    assert (answer["approver"], answer["issuer"], answer["groups"]) == (
        "release-manager",
        "https://issuer",
        ["release-managers"],
    )
    assert (answer["approved"], answer["reason"], answer["time"]) == (True, "because", made.clock.now().isoformat())
    assert answer["action_digest"] == asked["action_digest"] == approval.action_digest
    assert answer["rendering_digest"] == asked["rendering_digest"] == rendering_digest(approval)


async def test_a_delegates_question_names_the_chain_and_who_is_responsible() -> None:
    """An action of a delegate reaches through: the chain of roles, the person, and what the delegate had seen."""

    def say(actor: Actor, messages: list[Json]) -> Json:
        if actor.role == "worker":
            return writer(actor, messages)
        if len(results(messages)) < 2:
            return calls(("notes__read", {"text": "x"}), ("delegate__worker", {"topic": "b"}))
        return says({"text": results(messages)[1]})

    graph = resources.orchestration(
        "single", '    - {name: only, role: boss, with: {topic: "a"}, onRejected: end}', '"${steps.only.output}"'
    )
    roles = (resources.role("boss", delegates="worker"), resources.role("worker"))
    made = World(resources.bundle_of(resources.SHARED, *roles, graph), say)
    run = await made.run("single", None, lambda _: made.decide(True))
    assert run.state is RunState.SUCCEEDED
    [approval] = made.approvals.stored.values()
    assert (approval.requester, approval.proposer.delegated_by, approval.role) == ("developer", ("boss",), "worker")
    assert approval.proposer.label == UNTRUSTED
    [shown] = [record.data for record in made.audit.records if record.type == "dev.amas.approval.requested"]
    assert (shown["delegated_by"], shown["label"]) == (["boss"], UNTRUSTED.to_dict())


async def test_whoever_approved_an_action_is_asked_about_its_repetition(made: World) -> None:
    """What policy asked of the action is asked of its repetition; no weaker default takes its place."""
    made.enforcer.unknown_once = {"notes/write"}
    made.enforcer.requirement = Requirement(("auditors",), 1, True, 60.0)
    auditor = replace(MANAGER, groups=("auditors",))
    run = await made.run("single", None, *[lambda _: made.decide(True, auditor)] * 2)
    assert run.state is RunState.SUCCEEDED
    first, second = made.approvals.stored.values()
    assert second.kind is ApprovalKind.UNKNOWN_OUTCOME
    assert first.requirement == second.requirement == made.enforcer.requirement
