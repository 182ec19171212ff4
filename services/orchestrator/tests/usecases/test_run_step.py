"""The agent loop, on fakes."""

from __future__ import annotations

import json

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.labels import Label
from amas_orchestrator.domain.model import Json, Run, RunState
from amas_orchestrator.ports import Actor

from .. import resources
from ..fakes import ADMIN, UNTRUSTED, Crashed
from ..world import WORKER, World, calls, results, says, world


def events(made: World, run: Run, kind: str) -> list[Json]:
    """Payloads of one kind of event."""
    return [event.payload for event in made.runs.written[run.id] if event.kind == kind]


async def test_reads_of_a_turn_cost_one_durable_step() -> None:
    """A turn with its read-only calls is one checkpoint; its results go back with their labels."""

    def say(actor: Actor, messages: list[Json]) -> Json:
        if not results(messages):
            return calls(("notes__read", {"text": "1"}), ("notes__read", {"text": "2"}))
        assert results(messages) == ["did notes/read", "did notes/read"]
        return says({"text": "done"})

    made = world(say)
    workflow = await made.start("single")
    run = await made.finish(workflow)
    assert (run.state, run.output_json) == (RunState.SUCCEEDED, '{"text": "done"}')
    assert workflow.ran == ["only/0", "only/1", "end"]
    assert [key for _, _, key, _ in made.enforcer.requests] == [f"{run.id}/only/0/0", f"{run.id}/only/0/1"]
    assert made.enforcer.requests[0][0].label != UNTRUSTED
    assert made.enforcer.requests[1][0].label == UNTRUSTED


async def test_an_effect_is_a_durable_step_of_its_own() -> None:
    """A write is no part of a turn: what was read before it is not read again when the write is cut."""
    made = world(
        lambda _, messages: (
            says({"text": "ok"})
            if results(messages)
            else calls(("notes__read", {}), ("notes__write", {"text": "x"}), ("notes__read", {}))
        )
    )
    made.enforcer.escalates = False
    workflow = await made.start("single")
    workflow.crash_in = "only/0/1"
    with pytest.raises(Crashed):
        await made.finish(workflow)
    workflow.crash_in = ""
    run = await made.finish(workflow)
    assert run.state is RunState.SUCCEEDED
    assert made.enforcer.effects == [f"{run.id}/only/0/{index}" for index in (0, 1, 2)]
    assert [key for _, _, key, _ in made.enforcer.requests].count(f"{run.id}/only/0/0") == 1
    assert len(made.model.calls) == 2


@pytest.mark.parametrize(
    ("proposal", "code"),
    [
        (("notes__delete", {}), "TOOL_UNKNOWN"),
        (("rm -rf /", {}), "TOOL_UNKNOWN"),
        (("notes__read", "{broken"), "ARGUMENTS_NOT_JSON"),
        (("notes__read", '{"text": "a", "text": "b"}'), "ARGUMENTS_NOT_JSON"),
        (("notes__read", "[1]"), "ARGUMENTS_INVALID"),
        (("notes__read", {"text": 7}), "ARGUMENTS_INVALID"),
    ],
)
async def test_a_proposal_outside_the_contract_is_refused_on_the_record(
    proposal: tuple[str, object], code: str
) -> None:
    """An unknown tool, broken JSON or a broken schema never reaches a tool; the model is told, audit has it."""
    made = world(lambda _, messages: says({"text": "sorry"}) if results(messages) else calls(proposal))
    run = await made.run("single")
    assert run.state is RunState.SUCCEEDED
    assert not made.enforcer.requests
    assert json.loads(results(made.model.bodies[1]["messages"])[0])["error"]["code"] == code
    denied = [record for record in made.audit.records if record.type == "dev.amas.action.denied"]
    assert [record.data["reasons"][0]["code"] for record in denied] == [code]
    assert events(made, run, "tool_called")[0]["decision"]["effect"] == "deny"


@pytest.mark.parametrize("function", ["notes__read", "notes__write", "notes__delete"])
async def test_a_secret_that_an_agent_proposes_stands_in_no_event(function: str) -> None:
    """I7: neither a run's history nor the orchestrator's own records hold it, however it is written."""
    secret = "ghp_" + "a1B2" * 9
    for written in (secret, secret.encode().hex()):
        made = world(
            lambda _, messages, text=written: (
                says({"text": "sorry"}) if results(messages) else calls((function, {"text": text}))
            )
        )
        made.enforcer.denies = {"notes/read", "notes/write"}
        run = await made.run("single")
        (shown,) = events(made, run, "tool_called")
        assert "[redacted:github-token]" in shown["arguments_json"]
        assert written not in str([event.payload for event in await made.runs.events("acme", run.id, 0, 100)])
        assert written not in str([record.data for record in made.audit.records])


async def test_a_model_that_only_proposes_nonsense_is_bounded() -> None:
    """Refused proposals turn after turn end the step after the role's repairs."""
    made = world(lambda _, __: calls(("notes__delete", {})))
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "PROPOSALS_REFUSED")
    assert len(made.model.calls) == 3


async def test_a_bad_output_is_repaired_within_bounds() -> None:
    """An output that breaks the schema is fed back, shown, and accepted once it is right."""
    answers = iter(["nonsense", '{"wrong": 1}', '```json\n{"text": "right"}\n```'])
    made = world(lambda _, __: says(next(answers)))
    run = await made.run("single")
    assert (run.state, run.output_json) == (RunState.SUCCEEDED, '{"text": "right"}')
    assert [payload["attempt"] for payload in events(made, run, "output_repaired")] == [1, 2]


async def test_an_output_that_stays_bad_fails_the_step() -> None:
    """Repairs are bounded."""
    made = world(lambda _, __: says("nonsense"))
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "OUTPUT_INVALID")
    assert len(made.model.calls) == 3


@pytest.mark.parametrize("content", ["x" * 300_000, "\ud800"])
async def test_an_answer_that_nobody_can_keep_is_refused(content: str) -> None:
    """Megabytes, and text that is no text, are refused as a whole and never sent back."""
    made = world(lambda _, messages: says({"text": "short"}) if len(messages) > 2 else says(content))
    run = await made.run("single")
    assert run.state is RunState.SUCCEEDED
    assert made.model.bodies[1]["messages"][2]["content"] == "(refused)"


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        ("{modelCalls: 2}", "BOUND_MODEL_CALLS_REACHED"),
        ("{steps: 2}", "BOUND_STEPS_REACHED"),
        ("{tokens: 20}", "BOUND_TOKENS_REACHED"),
        ('{cost: {amount: "0.002", currency: USD}}', "BOUND_COST_REACHED"),
        ('{cost: {amount: "1", currency: EUR}}', "BOUND_COST_REACHED"),
        ("{bytesIn: 20}", "BOUND_BYTES_IN_REACHED"),
    ],
)
async def test_a_model_that_loops_for_ever_hits_a_bound(bounds: str, code: str) -> None:
    """Whatever a model does, its step ends at a bound with the bound's name."""
    made = world(lambda _, __: calls(("notes__read", {})), resources.role("worker", bounds=bounds))
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, code)


async def test_the_next_answer_may_use_what_the_bound_leaves() -> None:
    """max_completion_tokens is what is left of the role's tokens."""
    made = world(
        lambda _, messages: says({"text": "x"}) if results(messages) else calls(("notes__read", {})),
        resources.role("worker", bounds="{tokens: 100}"),
    )
    await made.run("single")
    assert [body["max_completion_tokens"] for body in made.model.bodies] == [100, 85]


async def test_wall_clock_ends_a_step_whose_model_is_away() -> None:
    """A step waits for its model, slower each time, until its wall clock is used up."""
    made = world(lambda _, __: says({"text": "x"}), resources.role("worker", bounds="{wallClock: 30s}"))
    away = AmasError(ErrorKind.UNAVAILABLE, "PROVIDER_AWAY", "nobody is there")
    made.model.failures = [away] * 100
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "BOUND_WALL_CLOCK_REACHED")
    assert run.reason is not None
    assert "PROVIDER_AWAY" in run.reason.message
    assert len(made.model.failures) > 70


async def test_a_model_that_is_away_for_a_while_is_waited_for() -> None:
    """A restart of the router does not fail a run."""
    made = world(lambda _, __: says({"text": "x"}))
    made.model.failures = [AmasError(ErrorKind.UNAVAILABLE, "AWAY", "away")] * 3
    assert (await made.run("single")).state is RunState.SUCCEEDED
    assert made.metrics.told.count(("waited_for", "ai-router")) == 3


async def test_a_refusal_of_the_router_ends_the_step_with_its_reason() -> None:
    """A budget that is used up is no reason to wait."""
    made = world(lambda _, __: says({"text": "x"}))
    made.model.failures = [AmasError(ErrorKind.RESOURCE_EXHAUSTED, "BUDGET_EXHAUSTED", "no money")]
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "BUDGET_EXHAUSTED")


async def test_a_denial_is_told_to_the_model() -> None:
    """Policy's no is an answer of the tool, with its reason; the model may go on."""
    made = world(lambda _, messages: says({"text": "x"}) if results(messages) else calls(("notes__read", {})))
    made.enforcer.denies = {"notes/read"}
    run = await made.run("single")
    assert run.state is RunState.SUCCEEDED
    assert json.loads(results(made.model.bodies[1]["messages"])[0])["error"]["code"] == "POLICY_DENIED"


async def test_calls_of_one_tool_are_limited() -> None:
    """`limits.calls` of a grant holds in a step, over turns."""
    text = WORKER.replace("{name: notes/read}", "{name: notes/read, limits: {calls: 2}}")
    made = world(
        lambda _, messages: says({"text": "x"}) if len(results(messages)) >= 3 else calls(("notes__read", {})), text
    )
    run = await made.run("single")
    assert run.state is RunState.SUCCEEDED
    assert len(made.enforcer.requests) == 2
    assert "TOOL_CALLS_EXHAUSTED" in results(made.model.bodies[3]["messages"])[2]


@pytest.mark.parametrize("tool", ["notes__read", "notes__write"])
async def test_a_quota_that_renews_soon_is_waited_for(tool: str) -> None:
    """The run waits as long as it is told to, asks with the same key, and goes on; the model learns nothing of it."""
    made = world(lambda _, messages: says({"text": "x"}) if results(messages) else calls((tool, {"text": "1"})))
    made.enforcer.escalates = False
    made.enforcer.failures = [
        AmasError(ErrorKind.RESOURCE_EXHAUSTED, reason, "later", retry_after=30.0)
        for reason in ("QUOTA_EXCEEDED", "QUOTA_RATE_LIMITED", "QUOTA_BUSY")
    ]
    before = made.clock.now()
    run = await made.run("single")
    assert run.state is RunState.SUCCEEDED
    assert made.enforcer.effects == [f"{run.id}/only/0/0"]
    assert (made.clock.now() - before).total_seconds() >= 3 * 30 * 0.8


async def test_an_effect_beyond_its_limit_is_on_the_record() -> None:
    """A refused write stands in audit and in the run's history, once, also where another effect follows in its turn."""
    text = WORKER.replace("- name: notes/write", "- name: notes/write\n      limits: {calls: 1}")
    made = world(
        lambda _, messages: (
            says({"text": "x"})
            if results(messages)
            else calls(("notes__write", {"text": "1"}), ("notes__write", {"text": "2"}), ("notes__read", {}))
        ),
        text,
    )
    made.enforcer.escalates = False
    workflow = await made.start("single")
    workflow.crash_in = "only/0/2"
    with pytest.raises(Crashed):
        await made.finish(workflow)
    workflow.crash_in = ""
    run = await made.finish(workflow)
    assert run.state is RunState.SUCCEEDED
    assert made.enforcer.effects == [f"{run.id}/only/0/0", f"{run.id}/only/0/2"]
    denied = [record for record in made.audit.records if record.type == "dev.amas.action.denied"]
    assert [record.id for record in denied] == [f"refused:{run.id}/only/0/1"]
    assert denied[0].data["reasons"][0]["code"] == "TOOL_CALLS_EXHAUSTED"
    shown = [payload["decision"]["effect"] for payload in events(made, run, "tool_called")]
    assert sorted(shown) == ["allow", "allow", "deny"]


async def test_a_bound_may_be_extended_by_a_human() -> None:
    """With `onBound: escalate` a human may let the step go on, once more the bounds each time."""
    role = resources.role("worker", bounds="{modelCalls: 1}", on_bound="escalate")
    made = world(lambda _, messages: says({"text": "x"}) if results(messages) else calls(("notes__read", {})), role)
    run = await made.run("single", None, lambda _: made.decide(True, ADMIN))
    assert run.state is RunState.SUCCEEDED
    kinds = {approval.kind.value for approval in made.approvals.stored.values()}
    assert kinds == {"bound"}


async def test_labels_rise_along_the_conversation() -> None:
    """What a tool brought raises the label of all that follows, also of the next model call."""
    seen: list[Label] = []

    def say(actor: Actor, messages: list[Json]) -> Json:
        seen.append(actor.label)
        return says({"text": "x"}) if results(messages) else calls(("notes__read", {}))

    await world(say).run("single")
    assert seen[0].integrity.value == "trusted"
    assert seen[1] == UNTRUSTED
