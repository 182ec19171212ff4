"""Bounds of a role: every one holds, what is beyond does not happen, and `onBound` says what follows."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_orchestrator.domain.approvals import Approval, ApprovalKind
from amas_orchestrator.domain.model import Json, RunState
from amas_orchestrator.ports import Actor

from .. import resources
from ..fakes import ADMIN, Say
from ..world import World, calls, results, says

AWAY = AmasError(ErrorKind.UNAVAILABLE, "PROVIDER_AWAY", "nobody is there")
READ, WRITE = ("notes__read", {"text": "1234567890"}), ("notes__write", {"text": "1234567890"})
ARGUMENTS = len('{"text":"1234567890"}')
RESULT = len("did notes/read")
DONE: Json = {"text": "done"}
OUTPUT = len(json.dumps(DONE))


def world(say: Say, bounds: str, on_bound: str = "fail", *more: str, delegates: str = "") -> World:
    """A world with one worker under these bounds."""
    worker = resources.role("worker", bounds=bounds, on_bound=on_bound, delegates=delegates)
    made = World(resources.bundle_of(resources.SHARED, worker, *more, resources.SINGLE), say)
    made.enforcer.escalates = False
    return made


def reads(times: int) -> Say:
    """A model that reads so many times, one read a turn, and then is done."""
    return lambda _, messages: says(DONE) if len(results(messages)) >= times else calls(READ)


def human(made: World, *, says_yes: bool = True) -> Callable[[str], Awaitable[Approval]]:
    """Somebody who answers the question that is open."""
    return lambda _: made.decide(says_yes, ADMIN)


# Bounds that three turns and two reads go beyond, and that hold for them when they hold twice.
EACH = [
    ("{steps: 2}", "BOUND_STEPS_REACHED"),
    ("{modelCalls: 2}", "BOUND_MODEL_CALLS_REACHED"),
    ("{tokens: 30}", "BOUND_TOKENS_REACHED"),
    ('{cost: {amount: "0.002", currency: USD}}', "BOUND_COST_REACHED"),
    (f"{{bytesIn: {2 * RESULT}}}", "BOUND_BYTES_IN_REACHED"),
    (f"{{bytesOut: {2 * ARGUMENTS}}}", "BOUND_BYTES_OUT_REACHED"),
]


@pytest.mark.parametrize(("bounds", "code"), EACH)
async def test_a_step_fails_at_its_bound(bounds: str, code: str) -> None:
    """`onBound: fail`: the third turn does not begin, and the reason names the bound."""
    made = world(reads(2), bounds)
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code, run.output_json) == (RunState.FAILED, code, "")
    assert len(made.model.calls) == 2


@pytest.mark.parametrize(("bounds", "code"), EACH)
async def test_a_human_may_extend_every_bound(bounds: str, code: str) -> None:
    """`onBound: escalate`: a human is asked with the bound's name; after a yes the bounds hold once more."""
    made = world(reads(2), bounds, "escalate")
    run = await made.run("single", None, human(made))
    assert (run.state, run.output_json) == (RunState.SUCCEEDED, json.dumps(DONE))
    (asked,) = made.approvals.stored.values()
    assert (asked.kind, json.loads(asked.arguments_json)) == (ApprovalKind.BOUND, {"reached": code, "times": 1})


@pytest.mark.parametrize(("bounds", "code"), EACH)
async def test_a_no_at_a_bound_ends_the_step(bounds: str, code: str) -> None:
    """Nothing more happens after it."""
    made = world(reads(2), bounds, "escalate")
    run = await made.run("single", None, human(made, says_yes=False))
    assert run.state is RunState.REJECTED
    assert len(made.model.calls) == 2


async def test_asking_uses_up_no_steps() -> None:
    """Questions and answers are no turns, so an extension by two is two more turns."""
    made = world(reads(3), "{steps: 2}", "escalate")
    run = await made.run("single", None, human(made))
    assert run.state is RunState.SUCCEEDED
    assert len(made.model.calls) == 4


async def test_arguments_beyond_bytes_out_never_leave() -> None:
    """What would go past the bound is not even put to the enforcer, whether it reads or writes."""
    for proposal in (READ, WRITE):
        made = world(lambda _, __, proposal=proposal: calls(proposal), f"{{bytesOut: {ARGUMENTS - 1}}}")  # type: ignore[misc]
        run = await made.run("single")
        assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "BOUND_BYTES_OUT_REACHED")
        assert made.enforcer.requests == []


async def test_an_output_beyond_bytes_out_never_leaves() -> None:
    """An output counts as much as arguments do; one byte less passes."""
    for limit, state in ((OUTPUT, RunState.SUCCEEDED), (OUTPUT - 1, RunState.FAILED)):
        made = world(reads(0), f"{{bytesOut: {limit}}}")
        run = await made.run("single")
        assert (run.state, run.output_json) == (state, json.dumps(DONE) if state is RunState.SUCCEEDED else "")
    made = world(reads(0), f"{{bytesOut: {OUTPUT - 1}}}", "escalate")
    assert (await made.run("single", None, human(made))).state is RunState.SUCCEEDED


async def test_what_was_denied_counts_for_no_bytes_out() -> None:
    """Arguments that policy stopped have not left."""
    say: Say = lambda _, messages: says(DONE) if results(messages) else calls(READ)  # noqa: E731 - a model
    made = world(say, f"{{bytesOut: {ARGUMENTS}}}")
    made.enforcer.denies = {"notes/read"}
    assert (await made.run("single")).state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("bounds", "proposals", "done", "code"),
    [
        ("{steps: 3}", [WRITE] * 5, 2, "BOUND_STEPS_REACHED"),
        (f"{{bytesOut: {2 * ARGUMENTS + 1}}}", [WRITE] * 5, 2, "BOUND_BYTES_OUT_REACHED"),
        (f"{{bytesOut: {2 * ARGUMENTS + 1}}}", [READ] * 5, 2, "BOUND_BYTES_OUT_REACHED"),
        (f"{{bytesIn: {2 * RESULT}}}", [READ] * 5, 2, "BOUND_BYTES_IN_REACHED"),
        (f"{{bytesIn: {RESULT}}}", [READ, WRITE], 1, "BOUND_BYTES_IN_REACHED"),
        ("{tokens: 15}", [READ, WRITE], 0, "BOUND_TOKENS_REACHED"),
        ('{cost: {amount: "0.001", currency: USD}}', [WRITE], 0, "BOUND_COST_REACHED"),
    ],
)
async def test_a_bound_holds_within_a_turn(
    bounds: str, proposals: list[tuple[str, object]], done: int, code: str
) -> None:
    """A model that asks for many calls at once gets those that the bound leaves room for, and no more."""
    made = world(lambda _, __: calls(*proposals), bounds)
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, code)
    assert len(made.enforcer.effects) == done


async def test_a_turn_goes_on_where_it_was_stopped_after_a_yes() -> None:
    """No call is lost or made twice by a question in the midst of a turn."""
    say: Say = lambda _, messages: says(DONE) if results(messages) else calls(*[WRITE] * 5)  # noqa: E731 - a model
    made = world(say, "{steps: 3}", "escalate")
    run = await made.run("single", None, human(made), human(made))
    assert run.state is RunState.SUCCEEDED
    assert made.enforcer.effects == [f"{run.id}/only/0/{index}" for index in range(5)]


async def test_wall_clock_ends_a_step_that_works() -> None:
    """Not only waiting is bounded: a step whose calls succeed ends too."""

    def say(_: Actor, messages: list[Json]) -> Json:
        made.clock.advance(20)
        return calls(WRITE)

    made = world(say, "{wallClock: 30s}")
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "BOUND_WALL_CLOCK_REACHED")
    assert len(made.enforcer.effects) == 1


async def test_a_human_may_extend_the_wall_clock() -> None:
    """A model that was away too long is asked again with the same key after a yes; a no ends the step."""
    for says_yes, state in ((True, RunState.SUCCEEDED), (False, RunState.REJECTED)):
        made = world(reads(0), "{wallClock: 30s}", "escalate")
        made.model.failures = [AWAY] * 1000

        async def answer(_: str, made: World = made, says_yes: bool = says_yes) -> None:
            made.model.failures.clear()
            await made.decide(says_yes, ADMIN)

        run = await made.run("single", None, answer)
        assert run.state is state
        assert made.model.calls == ([f"{run.id}/only/0"] if says_yes else [])


async def test_the_time_out_of_a_step_is_extended_by_nobody() -> None:
    """The orchestration's word on time is not the role's to stretch."""
    single = resources.SINGLE.replace("onRejected: end", "onRejected: end, timeout: 10s")
    worker = resources.role("worker", on_bound="escalate")
    made = World(resources.bundle_of(resources.SHARED, worker, single), reads(0))
    made.model.failures = [AWAY] * 1000
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "STEP_TIMED_OUT")
    assert made.approvals.stored == {}


async def test_a_cost_in_another_currency_is_not_put_to_a_human() -> None:
    """More of one currency never lifts a bound in another, so asking would go on for ever."""
    made = world(reads(2), '{cost: {amount: "1", currency: EUR}}', "escalate")
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "BOUND_COST_REACHED")
    assert made.approvals.stored == {}


class TestDelegation:
    """A delegate has what is left of its own bounds and of those of everybody that delegated, whichever is less."""

    @staticmethod
    def handing_over(helper: Say) -> Say:
        """A worker who hands all to the helper and is done with what comes back."""

        def say(actor: Actor, messages: list[Json]) -> Json:
            if actor.role == "helper":
                return helper(actor, messages)
            return says(DONE) if results(messages) else calls(("delegate__helper", {"topic": "sub"}))

        return say

    async def test_an_answer_has_the_tokens_that_all_leave(self) -> None:
        """The delegate's own bound is wide, so what its delegator has left counts."""
        made = world(self.handing_over(reads(0)), "{tokens: 40}", "fail", resources.role("helper"), delegates="helper")
        await made.run("single")
        assert [body["max_completion_tokens"] for body in made.model.bodies] == [40, 25, 10]

    @pytest.mark.parametrize(
        ("bounds", "code"),
        [
            ("{steps: 2}", "BOUND_STEPS_REACHED"),
            ("{tokens: 30}", "BOUND_TOKENS_REACHED"),
            ('{cost: {amount: "0.002", currency: USD}}', "BOUND_COST_REACHED"),
            (f"{{bytesIn: {RESULT}}}", "BOUND_BYTES_IN_REACHED"),
            (f"{{bytesOut: {ARGUMENTS}}}", "BOUND_BYTES_OUT_REACHED"),
        ],
    )
    async def test_a_delegate_ends_at_the_bound_of_who_delegated(self, bounds: str, code: str) -> None:
        """Its own bounds are wide and may be extended; those of its delegator stop it, and nobody is asked."""
        helper = resources.role("helper", on_bound="escalate")
        made = world(self.handing_over(reads(9)), bounds, "fail", helper, delegates="helper")
        run = await made.run("single")
        assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, code)
        assert len(made.enforcer.effects) <= 1
        assert made.approvals.stored == {}

    async def test_a_delegate_ends_with_the_time_of_who_delegated(self) -> None:
        """The wall clock of the delegator runs on while the delegate works."""
        helper = resources.role("helper", bounds="{wallClock: 1h}")
        made = world(self.handing_over(reads(0)), "{wallClock: 30s}", "fail", helper, delegates="helper")
        say = made.model.say

        def slowly(actor: Actor, messages: list[Json]) -> Json:
            made.clock.advance(20)
            return say(actor, messages)

        made.model.say = slowly
        run = await made.run("single")
        assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "BOUND_WALL_CLOCK_REACHED")
        assert len(made.model.calls) == 2

    async def test_a_delegation_that_policy_does_not_decide_in_time_ends_at_the_wall_clock(self) -> None:
        """A policy that is away holds a delegation no longer than the step has."""
        made = world(
            self.handing_over(reads(0)), "{wallClock: 30s}", "fail", resources.role("helper"), delegates="helper"
        )
        say = made.model.say

        def then_away(actor: Actor, messages: list[Json]) -> Json:
            made.enforcer.failures = [AWAY] * 1000
            return say(actor, messages)

        made.model.say = then_away
        run = await made.run("single")
        assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "BOUND_WALL_CLOCK_REACHED")

    async def test_a_delegate_may_ask_for_more_of_its_own(self) -> None:
        """Its own bound is put to a human as anybody's, within what its delegator has left."""
        helper = resources.role("helper", bounds="{modelCalls: 1}", on_bound="escalate")
        made = world(self.handing_over(reads(1)), "{}", "fail", helper, delegates="helper")
        run = await made.run("single", None, human(made))
        assert run.state is RunState.SUCCEEDED
        (asked,) = made.approvals.stored.values()
        assert (asked.kind, asked.role) == (ApprovalKind.BOUND, "helper")
