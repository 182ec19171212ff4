"""Revoking and restoring, on fakes: what stops, what is recorded, what is answered (invariants I1, I2, I4, I8)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.revocations import Revocable, RevocationKind
from amas_orchestrator.domain.approvals import ApprovalState
from amas_orchestrator.domain.model import Json, Reason, RunState
from amas_orchestrator.domain.revocations import Revocation
from amas_orchestrator.ports import Actor, Decision, Enforced
from amas_orchestrator.usecases import spread_revocations
from amas_orchestrator.usecases.read_revocations import ReadRevocations

from .. import resources
from ..fakes import ADMIN, DEVELOPER, START
from ..world import World, calls, results, says

ROLE, TOOL, PRINCIPAL, BUNDLE = RevocationKind
WRITES = ("notes__write", {"text": "x"})


def reads_then_ends(actor: Actor, messages: list[Json]) -> Json:
    return says({"text": "done"}) if results(messages) else calls(("notes__read", {}))


def writes_then_ends(actor: Actor, messages: list[Json]) -> Json:
    return says({"text": "done"}) if results(messages) else calls(WRITES)


def world(say: object = reads_then_ends) -> World:
    texts = (resources.role("worker", delegates="helper"), resources.role("helper"))
    return World(resources.bundle_of(resources.SHARED, *texts, resources.SINGLE), say)  # type: ignore[arg-type]


async def revoke(made: World, kind: RevocationKind, name: str, **more: bool) -> tuple[Revocation, bool]:
    return await made.revoke(ADMIN, kind, name, "compromised", **{"force": False, **more})


async def refusal(made: World, kind: RevocationKind, name: str, **more: bool) -> AmasError:
    with pytest.raises(AmasError) as caught:
        await revoke(made, kind, name, **more)
    return caught.value


async def test_a_revocation_is_recorded_kept_and_handed_over() -> None:
    """I2: the record first; then the truth; then, before the answer, the copy that all sidecars decide by."""
    made = world()
    standing, existed = await revoke(made, ROLE, "worker")
    assert not existed
    assert (standing.revoked_by, standing.reason, standing.lifted_at) == ("platform-admin", "compromised", None)
    (record,) = made.audit.records
    assert record.type == "dev.amas.revocation.made"
    assert record.data == {"revocation": standing.id, "kind": "role", "name": "worker", "reason": "compromised"}
    assert made.copies.held is not None
    assert made.copies.held.members == {Revocable("acme", ROLE, "worker")}


async def test_policy_may_say_no() -> None:
    """The tenant's own policy is asked about both acts: a no is an error, and nothing has changed."""
    made = world()
    made.enforcer.denies = {"revoke", "restore"}
    assert (await refusal(made, ROLE, "worker")).reason == "ADMIN_ROLE_MISSING"
    assert not made.revocations.kept
    made.enforcer.denies = {"restore"}
    await revoke(made, ROLE, "worker")
    with pytest.raises(AmasError) as caught:
        await made.restore(ADMIN, ROLE, "worker", "")
    assert caught.value.kind is ErrorKind.PERMISSION_DENIED
    assert [(verb, named) for _, verb, named in made.enforcer.administered] == [
        ("revoke", (("AgentRole", "worker"),)),
        ("revoke", (("AgentRole", "worker"),)),
        ("restore", (("AgentRole", "worker"),)),
    ]
    assert made.audit.types() == ["revocation.made"]


async def test_again_is_the_same() -> None:
    """One revocation, one record, however often it is asked for; the first reason stays."""
    made = world()
    first, _ = await revoke(made, ROLE, "worker")
    assert await made.revoke(ADMIN, ROLE, "worker", "another", force=False) == (first, True)
    assert made.audit.types() == ["revocation.made"]


async def test_without_the_record_nothing_is_revoked() -> None:
    """I2: audit is away: an error, and nothing has changed."""
    made = world()
    made.audit.failures.append(AmasError(ErrorKind.UNAVAILABLE, "AUDIT_UNAVAILABLE", "away"))
    assert (await refusal(made, ROLE, "worker")).reason == "AUDIT_UNAVAILABLE"
    assert not made.revocations.kept
    assert made.copies.held is None


async def test_a_revocation_that_did_not_get_everywhere_is_no_success() -> None:
    """The sidecar is away: the answer says so; the revocation stands, and is carried on by itself or when asked."""
    made = world()
    made.copies.away = True
    error = await refusal(made, ROLE, "worker")
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "REVOCATION_NOT_SPREAD")
    made.copies.away = False
    await made.spread()
    assert made.copies.held is not None
    assert made.copies.held.members
    assert (await revoke(made, ROLE, "worker"))[1]


async def test_a_copy_that_was_lost_comes_back() -> None:
    """The store of the sidecars lost its data: the next look hands over all that is revoked, and only then."""
    made = world()
    await revoke(made, ROLE, "worker")
    await made.spread()
    assert made.copies.handed_over == 1
    held, made.copies.held = made.copies.held, None
    await made.spread()
    assert (made.copies.held, made.copies.handed_over) == (held, 2)


async def test_restoring_is_recorded_and_handed_over() -> None:
    """A restored role may be used again; who lifted it, when and why, is kept and on the record."""
    made = world()
    await revoke(made, ROLE, "worker")
    lifted, existed = await made.restore(ADMIN, ROLE, "worker", "false alarm")
    assert (lifted.lifted_by, lifted.lift_reason, existed) == ("platform-admin", "false alarm", False)
    assert await made.restore(ADMIN, ROLE, "worker", "again") == (lifted, True)
    assert made.audit.types() == ["revocation.made", "revocation.lifted"]
    assert made.copies.held is not None
    assert not made.copies.held.members
    assert (await made.run("single")).state is RunState.SUCCEEDED
    second, existed = await revoke(made, ROLE, "worker")
    assert not existed
    assert second.id != lifted.id


async def test_what_was_never_revoked_cannot_be_restored() -> None:
    """A precise error, and no record."""
    made = world()
    with pytest.raises(AmasError) as caught:
        await made.restore(ADMIN, TOOL, "notes/read", "")
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.NOT_FOUND, "NOT_REVOKED")
    assert not made.audit.records


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        (ROLE, "worke", "did you mean worker?"),
        (TOOL, "notes/raed", "did you mean notes/read?"),
        (TOOL, "xyz", "force it"),
        (BUNDLE, "sha256:" + "0" * 64, "force it"),
    ],
)
async def test_a_name_that_means_nothing_is_refused(kind: RevocationKind, name: str, hint: str) -> None:
    """I11: a slip of the pen must not pass for a role that was stopped; whoever means it can force it."""
    made = world()
    error = await refusal(made, kind, name)
    assert (error.kind, error.reason) == (ErrorKind.NOT_FOUND, "REVOCABLE_NOT_FOUND")
    assert hint in error.message
    assert not made.audit.records
    assert (await revoke(made, kind, name, force=True))[0].name == name


@pytest.mark.parametrize(("kind", "name"), [(TOOL, "notes"), (TOOL, "notes/write"), (PRINCIPAL, "never seen")])
async def test_servers_tools_and_any_principal_can_be_revoked(kind: RevocationKind, name: str) -> None:
    """A whole server, one tool; and a principal, whether it was seen or not."""
    assert not (await revoke(world(), kind, name))[1]


async def test_nobody_locks_himself_out_by_mistake() -> None:
    """Who revokes itself could not restore itself."""
    made = world()
    assert (await refusal(made, PRINCIPAL, ADMIN.subject)).reason == "REVOKES_ITSELF"
    assert not (await revoke(made, PRINCIPAL, ADMIN.subject, force=True))[1]


async def test_revocations_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sidecar holds them in memory: a tenant may have so many, and another's do not count (I8)."""
    made = world()
    monkeypatch.setattr("amas_orchestrator.usecases.revoke.MAX_IN_FORCE", 1)
    other = replace(ADMIN, tenant="globex")
    await made.revoke(other, PRINCIPAL, "x", "", force=False)
    await revoke(made, PRINCIPAL, "x")
    assert (await refusal(made, PRINCIPAL, "y")).reason == "REVOCATIONS_EXHAUSTED"


@pytest.mark.parametrize(
    ("kind", "name", "error"),
    [
        (ROLE, "worker", ErrorKind.FAILED_PRECONDITION),
        (PRINCIPAL, "developer", ErrorKind.PERMISSION_DENIED),
        (BUNDLE, "", ErrorKind.FAILED_PRECONDITION),
    ],
)
async def test_nothing_is_started_with_what_is_revoked(kind: RevocationKind, name: str, error: ErrorKind) -> None:
    """I1: a start is refused with what is revoked and why; for a bundle also with what to do about it."""
    made = world()
    name = name or made.bundles.active_digest["acme"]
    await revoke(made, kind, name)
    with pytest.raises(AmasError) as caught:
        await made.start("single")
    assert (caught.value.kind, caught.value.reason) == (error, "REVOKED")
    assert f"{kind} {name} is revoked: compromised" in caught.value.message
    assert ("apply" in caught.value.message) == (kind is BUNDLE)
    assert not made.runs.runs


async def test_another_tenants_runs_are_not_touched() -> None:
    """I8: the same names of another tenant."""
    made = world()
    for kind, name in ((ROLE, "worker"), (PRINCIPAL, "developer"), (TOOL, "notes")):
        await made.revoke(replace(ADMIN, tenant="globex"), kind, name, "", force=True)
    assert (await made.run("single")).state is RunState.SUCCEEDED


@pytest.mark.parametrize(("kind", "name"), [(ROLE, "worker"), (PRINCIPAL, "developer"), (BUNDLE, "")])
async def test_a_run_in_a_loop_of_turns_ends(kind: RevocationKind, name: str) -> None:
    """I1: what it needs is revoked during its second turn: the turn ends it, no model is asked again."""
    made = world()
    name = name or made.bundles.active_digest["acme"]

    def say(actor: Actor, messages: list[Json]) -> Json:
        if len(made.model.calls) == 2:
            made.revocations.kept.append(Revocation("rev-1", "acme", kind, name, "", "admin", START))
            made.revocations.version += 1
            made.clock.advance(spread_revocations.LEASE_SECONDS)
        return calls(("notes__read", {}))

    made.model.say = say
    run = await made.run("single")
    assert (run.state, len(made.model.calls)) == (RunState.FAILED, 2)
    assert run.reason == Reason("REVOKED", run.reason.message if run.reason else "")
    assert f"{kind} {name} is revoked" in run.reason.message


@pytest.mark.parametrize(("kind", "name"), [(ROLE, "worker"), (PRINCIPAL, "developer"), (BUNDLE, "")])
async def test_a_run_that_waits_for_a_human_ends(kind: RevocationKind, name: str) -> None:
    """I1: nobody has to answer first: the question is withdrawn, and the run has failed with what was revoked."""
    made = world(writes_then_ends)
    name = name or made.bundles.active_digest["acme"]
    workflow = await made.start("single")
    workflow.humans = [lambda _: revoke(made, kind, name)]
    run = await made.finish(workflow)
    assert run.state is RunState.FAILED
    assert run.reason == Reason("REVOKED", f"{kind} {name} is revoked")
    assert [approval.state for approval in made.approvals.stored.values()] == [ApprovalState.CANCELLED]
    assert not made.enforcer.effects
    ended = next(record for record in made.audit.records if record.type == "dev.amas.run.ended")
    assert (ended.data["state"], ended.data["reason"]["code"]) == ("failed", "REVOKED")
    assert len(made.model.calls) == 1


async def test_a_role_that_is_not_at_work_ends_no_run_that_waits() -> None:
    """The run waits in another role; only what it needs now ends it."""
    made = world(writes_then_ends)
    workflow = await made.start("single")

    async def humans(_: str) -> None:
        await revoke(made, ROLE, "helper")
        await made.decide(True)

    workflow.humans = [humans]
    assert (await made.finish(workflow)).state is RunState.SUCCEEDED


async def test_a_refusal_of_the_sidecar_ends_the_run() -> None:
    """I1: a tool is revoked while its call waits for an approval: refused when approved, and the run ends with that."""
    made = world(writes_then_ends)
    workflow = await made.start("single")
    enforce = made.enforcer.enforce

    async def refusing(actor: Actor, tool: str, arguments: Json, key: str, grant: object = None) -> Enforced:
        if grant is None:
            return await enforce(actor, tool, arguments, key)
        reason = Reason("REVOKED", "tool notes/write is revoked")
        return Enforced(Decision("d", "deny", (reason,), (), actor.bundle, ""), "not_called")

    made.enforcer.enforce = refusing  # type: ignore[method-assign,assignment]
    workflow.humans = [lambda _: made.decide(True)]
    run = await made.finish(workflow)
    assert (run.state, run.reason) == (RunState.FAILED, Reason("REVOKED", "step only: tool notes/write is revoked"))
    assert len(made.model.calls) == 1
    assert "tool_called" in made.runs.kinds(run.id)


async def test_a_refused_model_call_ends_the_run() -> None:
    """I1: the router's refusal is final."""
    made = world()
    made.model.failures.append(AmasError(ErrorKind.PERMISSION_DENIED, "REVOKED", "role worker is revoked"))
    run = await made.run("single")
    assert (run.state, run.reason) == (RunState.FAILED, Reason("REVOKED", "step only: role worker is revoked"))


@pytest.mark.parametrize("name", ["notes", "notes/read"])
async def test_a_revoked_tool_is_not_shown_and_asking_for_it_ends_the_run(name: str) -> None:
    """The sidecar's list may be some seconds old: what is revoked is taken out of it here."""
    made = world()
    await revoke(made, TOOL, name)
    run = await made.run("single")
    offered = [tool["function"]["name"] for tool in made.model.bodies[0]["tools"]]
    assert "notes__read" not in offered
    assert ("notes__write" in offered) == (name != "notes")
    assert (run.state, run.reason) == (RunState.FAILED, Reason("REVOKED", f"step only: tool {name} is revoked"))
    assert not made.enforcer.requests
    assert len(made.model.calls) == 1


async def test_a_role_whose_tool_is_revoked_may_do_without_it() -> None:
    """A run that does not want the tool is not touched."""
    made = world(lambda *_: says({"text": "done"}))
    await revoke(made, TOOL, "notes")
    assert (await made.run("single")).state is RunState.SUCCEEDED


async def test_nobody_delegates_to_a_revoked_role() -> None:
    """It is not offered; who asks for it all the same ends its run."""
    made = world(lambda *_: calls(("delegate__helper", {})))
    await revoke(made, ROLE, "helper")
    run = await made.run("single")
    assert (run.state, run.reason) == (RunState.FAILED, Reason("REVOKED", "step only: role helper is revoked"))


async def test_a_delegate_that_is_revoked_at_work_ends_the_run() -> None:
    """What a delegate meets is not told to the one who delegated as a mere failure."""
    made = world()

    def say(actor: Actor, messages: list[Json]) -> Json:
        if actor.role == "worker":
            return calls(("delegate__helper", {}))
        raise AmasError(ErrorKind.PERMISSION_DENIED, "REVOKED", "role helper is revoked")

    made.model.say = say
    run = await made.run("single")
    assert (run.state, run.reason) == (RunState.FAILED, Reason("REVOKED", "step only: role helper is revoked"))
    assert len(made.model.calls) == 2


async def test_a_refused_delegation_ends_the_run() -> None:
    """I1: the sidecar knew of the revocation before this process did."""
    made = world(lambda *_: calls(("delegate__helper", {})))
    ask = made.enforcer.may_delegate

    async def refusing(actor: Actor, delegate: str, task: Json) -> Decision:
        return replace(
            await ask(actor, delegate, task), effect="deny", reasons=(Reason("REVOKED", "role helper is revoked"),)
        )

    made.enforcer.may_delegate = refusing  # type: ignore[method-assign]
    run = await made.run("single")
    assert (run.state, run.reason) == (RunState.FAILED, Reason("REVOKED", "step only: role helper is revoked"))
    assert len(made.model.calls) == 1


async def test_a_cancelled_run_stays_cancelled() -> None:
    """Who was first is what the run says."""
    made = world(writes_then_ends)
    workflow = await made.start("single")

    async def humans(_: str) -> None:
        await made.runs.request_cancel("acme", workflow.workflow_id, "developer", "enough", START)
        await revoke(made, ROLE, "worker")

    workflow.humans = [humans]
    assert (await made.finish(workflow)).state is RunState.CANCELLED


async def test_another_process_ends_the_runs_if_the_first_died() -> None:
    """I4: whoever revoked died after the database had it: the next look of any process carries it on."""
    made = world(writes_then_ends)
    workflow = await made.start("single")

    async def humans(_: str) -> None:
        await made.revocations.add(Revocation("rev-1", "acme", ROLE, "worker", "", "admin", START))
        await made.spread()

    workflow.humans = [humans]
    assert (await made.finish(workflow)).reason == Reason("REVOKED", "role worker is revoked")
    assert made.copies.held is not None


async def test_a_list_has_pages_and_a_history() -> None:
    """Newest first; lifted ones on request; nothing of another tenant (I8)."""
    made = world()
    for name in ("worker", "helper"):
        await revoke(made, ROLE, name)
        made.clock.advance(1)
    await made.revoke(replace(ADMIN, tenant="globex"), PRINCIPAL, "x", "", force=False)
    await made.restore(ADMIN, ROLE, "worker", "")
    read = ReadRevocations(made.revocations, made.spread)
    held, token = await read.page(ADMIN, 0, "", lifted_too=False)
    assert ([one.name for one in held], token) == (["helper"], "")
    first, token = await read.page(ADMIN, 1, "", lifted_too=True)
    second, end = await read.page(ADMIN, 1, token, lifted_too=True)
    assert ([one.name for one in (*first, *second)], end) == (["helper", "worker"], "")


async def test_the_gateway_learns_of_principals_alone() -> None:
    """All tenants' principals with their version; nothing if the caller has that version."""
    made = world()
    await revoke(made, ROLE, "worker")
    await revoke(made, PRINCIPAL, DEVELOPER.subject)
    read = ReadRevocations(made.revocations, made.spread)
    version, found = await read.principals(0)
    assert found == [Revocable("acme", PRINCIPAL, DEVELOPER.subject)]
    assert await read.principals(version) == (version, [])


async def test_without_the_truth_no_run_starts() -> None:
    """I2: nobody knows what is revoked: no start."""
    made = world()
    made.revocations.away = True
    with pytest.raises(AmasError) as caught:
        await made.start("single")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
