"""Approving an action with other arguments: a new action, with its own digest and its own decision (invariant I3)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from amas_chassis.errors import AmasError
from amas_orchestrator.domain.answering import MAX_EDITS, Verdict
from amas_orchestrator.domain.approvals import ApprovalKind, ApprovalState
from amas_orchestrator.domain.model import Json, Principal, RunState
from amas_orchestrator.domain.requirement import Requirement

from .. import resources
from ..fakes import DEVELOPER, MANAGER, Actor
from ..world import World, calls, results, says

TWO = Requirement(("release-managers",), 2, True, 1800.0)
OTHER = replace(MANAGER, subject="other-manager")


def writer(_: Actor, messages: list[Json]) -> Json:
    """Proposes one write, then is done."""
    return says({"text": results(messages)[0]}) if results(messages) else calls(("notes__write", {"text": "x"}))


@pytest.fixture
def made() -> World:
    """A world whose worker writes."""
    return World(resources.bundle_of(resources.SHARED, resources.role("worker"), resources.SINGLE), writer)


async def test_what_was_edited_is_done_and_the_model_is_told(made: World) -> None:
    """I3: the edited action is enforced under the grant for its own digest; the model learns what was really done."""
    run = await made.run("single", None, lambda _: made.edit({"text": "y"}))
    assert run.state is RunState.SUCCEEDED
    [approval] = made.approvals.stored.values()
    [edit] = approval.edits
    grant = made.enforcer.requests[-1][3]
    assert grant is not None
    assert grant.action_digest == edit.action_digest != approval.action_digest
    assert [answer.approver for answer in grant.answers] == ["release-manager"]
    assert made.enforcer.arguments[-1] == {"text": "y"}
    # The edit takes the place of the question that waits: nobody is asked anew.
    assert {actor.approvals_waiting for actor, _ in made.enforcer.dry_runs} == {0}
    told = json.loads(results(made.model.bodies[1]["messages"])[0])
    assert told["edited"]["arguments"] == {"text": "y"}
    assert told["result"] == "did notes/write"


async def test_the_record_shows_both_digests_and_the_decision_of_the_edit(made: World) -> None:
    """Who edited what into what, what policy said of it, and what they were shown, before anybody could answer it."""
    await made.run("single", None, lambda _: made.edit({"text": "y"}))
    [approval] = made.approvals.stored.values()
    data = {record.type.removeprefix("dev.amas.approval."): record.data for record in made.audit.records}
    edited, decided = data["edited"], data["decided"]
    [edit] = approval.edits
    assert (edited["action_digest"], edited["edited_digest"]) == (approval.action_digest, edit.action_digest)
    assert (edited["editor"], edited["effect"]) == ("release-manager", "escalate")
    assert decided["action_digest"] == approval.action_digest
    assert decided["edited_digests"] == [edit.action_digest]
    assert decided["approved_digest"] == edit.action_digest
    assert decided["answers"][0]["rendering_digest"] == edited["rendering_digest"]
    assert made.audit.types().index("approval.edited") < made.audit.types().index("approval.decided")
    event = next(event for event in made.runs.written[approval.run_id] if event.kind == "approval_decided")
    assert (event.payload["edited"], event.payload["action_digest"]) == (True, edit.action_digest)


async def test_an_editor_never_gets_more_than_policy_allows(made: World) -> None:
    """What policy denies cannot be approved by editing it in; nothing is stored, recorded or done."""
    made.enforcer.forbidden = {"rm -rf"}

    async def try_it(_: str) -> None:
        seen = await made.edits.preview(MANAGER, made.pending().id, '{"text": "rm -rf"}')
        assert seen.decision.effect == "deny"
        with pytest.raises(AmasError, match="EDIT_DENIED"):
            await made.edit({"text": "rm -rf"})
        assert made.pending().edits == ()

    run = await made.run("single", None, try_it, lambda _: made.decide(False))
    assert run.state is RunState.REJECTED
    assert "approval.edited" not in made.audit.types()
    assert not made.enforcer.effects


async def test_the_edit_is_judged_in_the_context_of_the_proposal(made: World) -> None:
    """The dry run is for the run's principal, role, step and label: an approver's own rights change nothing."""
    await made.run("single", None, lambda _: made.edit({"text": "y"}))
    actor, arguments = made.enforcer.dry_runs[-1]
    proposed = made.enforcer.requests[0][0]
    assert arguments == {"text": "y"}
    assert actor.principal == DEVELOPER
    assert (actor.bundle, actor.run_id, actor.step, actor.role, actor.turn, actor.label) == (
        proposed.bundle,
        proposed.run_id,
        proposed.step,
        proposed.role,
        proposed.turn,
        proposed.label,
    )


async def test_a_quorum_counts_answers_to_the_same_action_only(made: World) -> None:
    """One yes to the proposal and one to an edit are not two; a second yes to the edit is."""
    made.enforcer.requirement = TWO

    async def first(_: str) -> None:
        await made.decide(True)
        assert (await made.edit({"text": "y"}, OTHER)).state is ApprovalState.PENDING

    async def second(_: str) -> None:
        [edit] = made.pending().edits
        verdict = Verdict(True, "", edit.action_digest)
        decided = await made.decide_approval(MANAGER, made.pending().id, verdict)
        assert decided.state is ApprovalState.APPROVED
        assert [given.approver for given in decided.approved_answers] == ["other-manager", "release-manager"]

    run = await made.run("single", None, first, second)
    assert run.state is RunState.SUCCEEDED
    assert made.enforcer.arguments[-1] == {"text": "y"}


async def test_the_same_person_counts_once_for_an_edit(made: World) -> None:
    """An editor's yes is one, however often it is asked; another of the same person is refused."""
    made.enforcer.requirement = TWO

    async def twice(_: str) -> None:
        first = await made.edit({"text": "y"})
        assert await made.edit({"text": "y"}) == first
        assert (len(first.answers), first.state) == (1, ApprovalState.PENDING)
        verdict = Verdict(True, "another", first.answers[0].action_digest)
        with pytest.raises(AmasError, match="APPROVAL_ALREADY_ANSWERED"):
            await made.decide_approval(MANAGER, first.id, verdict)

    run = await made.run("single", None, twice)
    assert (run.state, run.reason and run.reason.code) == (RunState.REJECTED, "APPROVAL_EXPIRED")


async def test_the_edited_action_is_asked_of_whom_policy_names_for_it(made: World) -> None:
    """Its own decision: where policy asks others about the edited action, the editor's own group does not do."""
    made.enforcer.edited_requirement = Requirement(("auditors",), 1, True, 1800.0)

    async def edits(_: str) -> None:
        with pytest.raises(AmasError, match="APPROVER_NOT_ELIGIBLE"):
            await made.edit({"text": "y"})
        await made.edit({"text": "y"}, replace(MANAGER, groups=("release-managers", "auditors")))

    assert (await made.run("single", None, edits)).state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("principal", "code"),
    [
        (replace(MANAGER, subject="developer"), "FOUR_EYES_REQUIRED"),
        (replace(MANAGER, groups=("auditors",)), "APPROVER_NOT_ELIGIBLE"),
        (replace(MANAGER, tenant="globex"), "APPROVAL_NOT_FOUND"),
    ],
)
async def test_who_may_not_approve_may_not_edit(made: World, principal: Principal, code: str) -> None:
    """I3, I8: four eyes and groups hold for an edit as for a yes, and for looking what policy would say."""

    async def refused(_: str) -> None:
        with pytest.raises(AmasError, match=code):
            await made.edit({"text": "y"}, principal)
        assert made.enforcer.dry_runs == []

    await made.run("single", None, refused, lambda _: made.decide(False))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "ARGUMENTS_INVALID"),
        ('["y"]', "ARGUMENTS_INVALID"),
        ('{"text": "y", "text": "z"}', "ARGUMENTS_INVALID"),
        ('{"text": "x"}', "EDIT_CHANGES_NOTHING"),
    ],
)
async def test_bad_edits_are_named(made: World, text: str, code: str) -> None:
    """I11: what is no JSON object, or changes nothing, is refused with the reason."""

    async def refused(_: str) -> None:
        with pytest.raises(AmasError, match=code):
            await made.edits.preview(MANAGER, made.pending().id, text)

    await made.run("single", None, refused, lambda _: made.decide(False))


async def test_an_edit_needs_the_digest_that_was_previewed(made: World) -> None:
    """I3: arguments and digest that do not belong together are refused, and so is an edit with a no."""

    async def refused(_: str) -> None:
        asked = made.pending()
        for verdict, code in (
            (Verdict(True, "", asked.action_digest), "ACTION_DIGEST_MISMATCH"),
            (Verdict(False, "", asked.action_digest), "EDIT_NOT_POSSIBLE"),
        ):
            with pytest.raises(AmasError, match=code):
                await made.decide_approval(MANAGER, asked.id, verdict, '{"text": "y"}')
        assert made.pending() == asked

    await made.run("single", None, refused, lambda _: made.decide(False))


async def test_an_edit_lives_no_longer_than_the_question(made: World) -> None:
    """A shorter expiry of the edited action holds; a longer one gives no more time than there was."""
    made.enforcer.edited_requirement = Requirement(("release-managers",), 2, True, 60.0)

    async def late(_: str) -> None:
        await made.edit({"text": "y"})
        [edit] = made.pending().edits
        made.clock.advance(61)
        with pytest.raises(AmasError, match="APPROVAL_EXPIRED"):
            await made.decide_approval(OTHER, made.pending().id, Verdict(True, "", edit.action_digest))
        await made.decide(True, OTHER)

    run = await made.run("single", None, late)
    assert run.state is RunState.SUCCEEDED
    assert made.enforcer.arguments[-1] == {"text": "x"}


async def test_edits_are_bounded(made: World) -> None:
    """Nobody buries the question under edits."""
    made.enforcer.requirement = TWO

    async def many(_: str) -> None:
        for number in range(MAX_EDITS):
            await made.edit({"text": f"y{number}"})
        with pytest.raises(AmasError, match="EDITS_EXHAUSTED"):
            await made.edit({"text": "one more"})

    await made.run("single", None, many, lambda _: made.decide(False))


async def test_the_repetition_of_an_edited_action_is_about_what_was_done(made: World) -> None:
    """I4: after an unknown outcome people are asked about the edited arguments, and those are repeated."""
    made.enforcer.unknown_once = {"notes/write"}
    run = await made.run("single", None, lambda _: made.edit({"text": "y"}), lambda _: made.decide(True))
    assert run.state is RunState.SUCCEEDED
    _, again = made.approvals.stored.values()
    assert (again.kind, again.arguments_json) == (ApprovalKind.UNKNOWN_OUTCOME, '{"text":"y"}')
    assert made.enforcer.arguments[-1] == {"text": "y"}
    assert json.loads(results(made.model.bodies[1]["messages"])[0])["edited"]["arguments"] == {"text": "y"}


async def test_a_question_that_is_no_proposed_action_cannot_be_edited(made: World) -> None:
    """What was begun is what may be repeated, nothing else."""
    made.enforcer.escalates = False
    made.enforcer.unknown_once = {"notes/write"}

    async def refused(_: str) -> None:
        with pytest.raises(AmasError, match="EDIT_NOT_POSSIBLE"):
            await made.edit({"text": "y"})

    await made.run("single", None, refused, lambda _: made.decide(False))
