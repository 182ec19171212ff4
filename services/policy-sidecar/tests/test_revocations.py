"""What is revoked is not used, from the moment on that it is revoked (invariants I1, I3, I8)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_policy_sidecar.domain.model import (
    AdminAction,
    ApprovalGrant,
    DelegateAction,
    Effect,
    ModelAction,
    Outcome,
    ToolAction,
)

from .fakes import NOW, escalating
from .manifests import COMMIT, PUBLISHER, bundle, role, tool_server
from .world import World

REVOCABLE = [("role", "publisher"), ("tool", "git/commit"), ("tool", "git"), ("principal", "developer")]


@pytest.fixture
def world() -> World:
    return World()


def revoke(world: World, kind: str, name: str) -> None:
    world.revocations.revoke(kind, name or world.bundle.digest)


def grant(world: World, digest: str, *approvers: str) -> ApprovalGrant:
    return ApprovalGrant(
        approval_id="apr-1",
        action_digest=digest,
        bundle=world.bundle.digest,
        requester="developer",
        approvers=approvers,
        approver_groups=frozenset(f"{name}:release-managers" for name in approvers),
        expires_at=NOW + timedelta(minutes=30),
    )


@pytest.mark.parametrize(("kind", "name"), [*REVOCABLE, ("bundle", "")])
async def test_what_is_revoked_is_not_called(world: World, kind: str, name: str) -> None:
    """I1: role, tool, server, principal and bundle: the call is refused with what it is, on the record, not made."""
    revoke(world, kind, name)
    answer = await world.enforce(world.command())
    assert answer.decision.effect is Effect.DENY
    (reason,) = answer.decision.reasons
    assert reason.code == "REVOKED"
    assert reason.message == f"{kind} {name or world.bundle.digest} is revoked"
    assert not world.tools.calls
    assert world.audit.order == ["dev.amas.action.denied"]


async def test_a_role_that_delegated_is_part_of_it() -> None:
    """I1: who is asked by a revoked role for help does nothing either."""
    world = World(bundle=bundle(PUBLISHER, role("lead", [COMMIT], delegates=["publisher"]), tool_server()))
    assert (await world.enforce(world.command(key="k1", delegated_by=("lead",)))).result.outcome is Outcome.SUCCEEDED
    world.revocations.revoke("role", "lead")
    answer = await world.enforce(world.command(delegated_by=("lead",)))
    assert [reason.code for reason in answer.decision.reasons] == ["REVOKED"]


@pytest.mark.parametrize("name", ["lead", "publisher"])
async def test_nobody_delegates_from_or_to_a_revoked_role(name: str) -> None:
    """I1: neither the one who asks nor the one who is asked; on the record as a delegation that was denied."""
    world = World(bundle=bundle(PUBLISHER, role("lead", [COMMIT], delegates=["publisher"]), tool_server()))
    task = DelegateAction("publisher", "{}")
    assert (await world.delegation(world.context(role="lead"), task)).effect is Effect.ALLOW
    world.revocations.revoke("role", name)
    decision = await world.delegation(world.context(role="lead"), task)
    assert (decision.effect, [reason.code for reason in decision.reasons]) == (Effect.DENY, ["REVOKED"])
    world.revocations.unknown = True
    with pytest.raises(AmasError):
        await world.delegation(world.context(role="lead"), task)


async def test_administration_goes_on_under_a_revoked_bundle(world: World) -> None:
    """Else nobody could restore it, or apply another."""
    world.revocations.revoke("bundle", world.bundle.digest)
    decision = await world.administration(world.context(role="", run_id=""), AdminAction("restore"))
    assert decision.effect is Effect.ALLOW


async def test_others_go_on(world: World) -> None:
    """I8: the same names of another tenant, and other names of this one, are not touched."""
    for kind, name in REVOCABLE:
        world.revocations.revoke(kind, name, tenant="globex")
    world.revocations.revoke("tool", "git/comm")
    world.revocations.revoke("role", "git/commit")
    assert (await world.enforce(world.command())).result.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(("kind", "name"), REVOCABLE)
async def test_nothing_gets_between_check_and_claim(world: World, kind: str, name: str) -> None:
    """I1: this process still believes that nothing is revoked; the claim, made in one step, knows better."""
    world.revocations.late = world.revocations.revoked
    world.revocations.revoke(kind, name)
    answer = await world.enforce(world.command())
    assert [reason.code for reason in answer.decision.reasons] == ["REVOKED"]
    assert not world.tools.calls


async def test_a_revocation_while_the_intent_is_recorded_stops_the_call(world: World) -> None:
    """I1, I2: audit took its time; what was revoked meanwhile is not sent, and the record says how it ended."""
    append = world.audit.append

    async def slow(events: Any, *, fencing_token: int = 0) -> Any:
        answer = await append(events, fencing_token=fencing_token)
        world.revocations.revoke("role", "publisher")
        return answer

    world.audit.append = slow  # type: ignore[method-assign]
    answer = await world.enforce(world.command())
    assert not world.tools.calls
    assert answer.result.outcome is Outcome.FAILED
    assert answer.result.result_text.startswith("REVOKED")
    assert world.audit.order == ["dev.amas.action.intent", "dev.amas.action.outcome"]


async def test_a_call_that_was_sent_gets_its_outcome_recorded(world: World) -> None:
    """I2: a revocation does not undo what has been sent: its outcome is recorded and answered."""
    world.tools.gate = asyncio.Event()
    task = asyncio.ensure_future(world.enforce(world.command()))
    await world.tools.begun.wait()
    world.revocations.revoke("principal", "developer")
    world.tools.gate.set()
    assert (await task).result.outcome is Outcome.SUCCEEDED
    assert world.audit.order == ["dev.amas.action.intent", "dev.amas.action.outcome"]


async def test_without_knowing_nothing_is_done(world: World) -> None:
    """I2: nobody knows what is revoked: tools, models and lists are refused until somebody does (fail closed)."""
    world.revocations.unknown = True
    for call in (
        lambda: world.enforce(world.command()),
        lambda: world.decide.tool(world.context(), ToolAction("git/commit", "{}")),
        lambda: world.decide.model(world.context(), ModelAction("default")),
        lambda: world.list_tools(world.context()),
    ):
        with pytest.raises(AmasError) as caught:
            await call()
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "REVOCATIONS_UNKNOWN")
    assert not world.tools.calls


async def test_an_approver_who_was_revoked_does_not_count(world: World) -> None:
    """I3: an answer counts when it is used: the approver was revoked after it was given."""
    world.engine.answer = escalating
    digest = (await world.enforce(world.command())).decision.action_digest
    world.revocations.revoke("principal", "manager")
    answer = await world.enforce(world.command(key="k2", approval=grant(world, digest, "manager")))
    assert [reason.code for reason in answer.decision.reasons] == ["APPROVER_REVOKED", "APPROVAL_QUORUM_MISSING"]
    assert not world.tools.calls
    other = grant(world, digest, "manager", "second-manager")
    assert (await world.enforce(world.command(key="k3", approval=other))).result.outcome is Outcome.SUCCEEDED


async def test_an_approver_who_is_revoked_at_the_last_moment_does_not_count(world: World) -> None:
    """I3: the claim asks about the approvers too, in the same step."""
    world.engine.answer = escalating
    digest = (await world.enforce(world.command())).decision.action_digest
    world.revocations.late = world.revocations.revoked
    world.revocations.revoke("principal", "manager")
    answer = await world.enforce(world.command(key="k2", approval=grant(world, digest, "manager")))
    assert [reason.code for reason in answer.decision.reasons] == ["APPROVER_REVOKED"]
    assert not world.tools.calls


async def test_a_revoked_tool_is_not_listed(world: World) -> None:
    """A model is not even shown it; a revoked role is shown nothing."""
    before = [tool.name for tool in await world.list_tools(world.context())]
    assert "git/commit" in before
    world.revocations.revoke("tool", "git/commit")
    assert [tool.name for tool in await world.list_tools(world.context())] == [
        name for name in before if name != "git/commit"
    ]
    world.revocations.revoke("tool", "git")
    world.tools.away = True
    assert await world.list_tools(world.context()) == []
    world.revocations.revoke("role", "publisher")
    with pytest.raises(AmasError) as caught:
        await world.list_tools(world.context())
    assert caught.value.reason == "REVOKED"


@pytest.mark.parametrize(("kind", "name"), [("role", "publisher"), ("principal", "developer"), ("bundle", "")])
async def test_a_model_is_not_called_for_what_is_revoked(kind: str, name: str) -> None:
    """I1: the decision about a model call is a denial, with a role and without one."""
    world = World()
    assert (await world.decide.model(world.context(), ModelAction("default"))).effect is Effect.ALLOW
    revoke(world, kind, name)
    asked = [world.context()] if kind == "role" else [world.context(), replace(world.context(), role="")]
    for context in asked:
        decision = await world.decide.model(context, ModelAction("default"))
        assert decision.effect is Effect.DENY
        assert [reason.code for reason in decision.reasons] == ["REVOKED"]


async def test_an_earlier_outcome_is_still_answered(world: World) -> None:
    """I4: what was done before is told again under its key, and nothing is done."""
    first = await world.enforce(world.command())
    world.revocations.revoke("role", "publisher")
    world.restart()
    again = await world.enforce(world.command())
    assert again.replayed
    assert again.result.result_text == first.result.result_text
    assert len(world.tools.calls) == 1
