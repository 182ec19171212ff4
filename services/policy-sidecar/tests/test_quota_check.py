"""Quotas: used up means refused, away means nothing happens, and a retry is counted once (invariants I1, I2)."""

from __future__ import annotations

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_policy_sidecar.adapters import mcp_session
from amas_policy_sidecar.domain.model import Effect, Outcome, ToolAnswer
from amas_policy_sidecar.domain.quota import Amount, QuotaAnswer, Used

from .fakes import escalating
from .manifests import COMMIT, PUBLISHER, bundle, quota, role, tool_server
from .world import World

ONE_CALL = bundle(role("publisher", [{**COMMIT, "limits": {"calls": 1}}]), tool_server())

# Read before any test: in tests a server that starts is waited for much longer.
LONGEST_START = mcp_session.START_TIMEOUT + mcp_session.CLOSE_TIMEOUT
RATE, BUSY, OVER = QuotaAnswer.RATE_EXCEEDED, QuotaAnswer.BUSY, QuotaAnswer.EXCEEDED
COMMITS = quota(
    "commits",
    subject={"tool": "git/commit"},
    bytesIn="8Ki",
    bytesOut="1Ki",
    wallClock="2m",
    rate="5/m",
)


async def test_calls_that_are_used_up_are_denied() -> None:
    """The second call of a tool that may be called once is denied, recorded and not made."""
    world = World(bundle=ONE_CALL)
    first = await world.enforce(world.command(key="1"))
    second = await world.enforce(world.command(key="2"))
    assert first.result.outcome is Outcome.SUCCEEDED
    assert second.decision.effect is Effect.DENY
    assert second.decision.reasons[0].code == "QUOTA_EXCEEDED"
    assert len(world.tools.calls) == 1


async def test_a_retry_is_not_counted_twice() -> None:
    """The same key is the same call, also for another process."""
    world = World(bundle=ONE_CALL)
    world.audit.away = {"dev.amas.action.intent"}
    with pytest.raises(AmasError):
        await world.enforce(world.command(key="1"))
    world.audit.away = set()
    world.restart()
    answer = await world.enforce(world.command(key="1"))
    assert answer.result.outcome is Outcome.SUCCEEDED


async def test_a_store_that_is_away_stops_the_action() -> None:
    """I2: without quota no call and no record of an intent; the caller may try again."""
    world = World()
    world.quota.away = True
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command())
    assert (error.value.kind, error.value.reason) == (ErrorKind.UNAVAILABLE, "QUOTA_UNAVAILABLE")
    assert world.tools.calls == []
    assert world.audit.order == []


async def test_what_passes_in_a_moment_is_waited_for_briefly() -> None:
    """A rate, a place, and a window that ends at once are no refusals."""
    world = World()
    world.quota.answers = [(RATE, Amount.RATE, 0.01), (BUSY, Amount.CONCURRENCY, 0.01), (OVER, Amount.CALLS, 0.01)]
    answer = await world.enforce(world.command())
    assert answer.result.outcome is Outcome.SUCCEEDED
    assert world.audit.order == ["dev.amas.action.intent", "dev.amas.action.outcome"]


@pytest.mark.parametrize(
    ("told", "with_quota", "reason", "words"),
    [
        ((RATE, Amount.RATE, 30.0), False, "TOOL_RATE_LIMITED", "the rate of git is used up"),
        ((BUSY, Amount.CONCURRENCY, 30.0), False, "TOOL_BUSY", "all places of git are taken"),
        ((RATE, Amount.RATE, 30.0), True, "QUOTA_RATE_LIMITED", "the rate of the quota commits is used up"),
        ((BUSY, Amount.BYTES_IN, 30.0), True, "QUOTA_BUSY", "the quota commits has 3 of 8Ki bytes of answers left"),
        ((OVER, Amount.BYTES_OUT, 30.0), True, "QUOTA_EXCEEDED", "3 of 1Ki bytes of arguments left"),
    ],
)
async def test_a_longer_wait_is_the_callers(
    told: tuple[QuotaAnswer, Amount, float], with_quota: bool, reason: str, words: str
) -> None:
    """It goes back with the bound, what is left and when to ask again: the run waits durably, not this process."""
    world = World(bundle=bundle(PUBLISHER, tool_server(), *([COMMITS] if with_quota else [])))
    world.quota.answers = [told] * 3
    for _ in range(3):
        with pytest.raises(AmasError) as error:
            await world.enforce(world.command())
        assert (error.value.kind, error.value.reason) == (ErrorKind.RESOURCE_EXHAUSTED, reason)
        assert error.value.retry_after == 30.0
        assert words in error.value.message
        subject = "quota:commits" if with_quota else "server:git"
        assert [one.subject for one in error.value.quota] == [subject]
        assert error.value.metadata["remaining"] == "3"
    assert world.tools.calls == []
    data = world.audit.data("dev.amas.action.denied")
    assert data["decision"]["reasons"][0]["code"] == reason
    assert data["quota"]["amount"] == told[1]
    assert data["input"] is not None
    counted = world.registry.get_sample_value(
        "amas_policy_quota_refusals_total",
        {"declared_by": subject.partition(":")[0], "quota": subject.partition(":")[2], "amount": told[1].value},
    )
    assert counted == 3


async def test_a_wait_that_audit_does_not_take_is_still_a_wait() -> None:
    """I2: nothing is done; a fenced executor learns that it is one."""
    world = World()
    world.audit.away = {"dev.amas.action.denied"}
    world.quota.answers = [(BUSY, Amount.CONCURRENCY, 30.0)] * 2
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command())
    assert error.value.reason == "TOOL_BUSY"
    world.audit.away, world.audit.fence = set(), 7
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command(fencing_token=6))
    assert error.value.reason == "FENCED"
    assert world.tools.calls == []


async def test_what_renews_late_is_denied_with_when() -> None:
    """The agent is told which quota, what is left and when it renews; so is the record, for machines too."""
    world = World(bundle=bundle(PUBLISHER, tool_server(), COMMITS))
    world.quota.answers = [(OVER, Amount.WALL_CLOCK, 3600.0)]
    answer = await world.enforce(world.command())
    assert answer.decision.effect is Effect.DENY
    (reason,) = answer.decision.reasons
    assert reason.code == "QUOTA_EXCEEDED"
    assert reason.message.startswith("the quota commits has 3s of 2m time in tool calls left, too little for this call")
    assert reason.message.endswith("it renews at 2026-11-23T13:00:00Z")
    assert world.audit.data("dev.amas.action.denied")["quota"] == {
        "declaredBy": "quota",
        "quota": "commits",
        "amount": "wallClock",
        "limit": 120,
        "remaining": 3,
        "renewsAt": "2026-11-23T13:00:00Z",
    }


async def test_a_quota_counts_whoever_it_names() -> None:
    """Calls count under each quota that covers them, with counters for what `per` and a window of a run say."""
    quotas = [
        COMMITS,
        quota("whole", subject={"tenant": "acme"}, calls=5),
        quota("runs", subject={"role": "publisher"}, per="tool", window="run", calls=5),
        quota("roles", subject={"server": "git"}, per="role", calls=5),
        quota("globex", subject={"tenant": "globex"}, calls=5),
        quota("reads", subject={"tool": "git/log"}, calls=5),
    ]
    world = World(bundle=bundle(PUBLISHER, tool_server(), *quotas))
    for key, run in (("1", "run-1"), ("2", "run-2")):
        await world.enforce(world.command(key=key, run_id=run))
    await world.enforce(world.command(key="3", tool="git/log", arguments="{}"))
    names = [[bound.name for bound in claim.bounds] for claim in world.quota.claims]
    assert names == [["git", "commits", "roles", "runs", "whole"]] * 2 + [["git", "reads", "roles", "runs", "whole"]]
    first, second, read = ({bound.name: bound.id for bound in claim.bounds} for claim in world.quota.claims)
    assert {name for name in first if first[name] != second[name]} == {"runs"}
    assert {name for name in first.keys() & read.keys() if first[name] != read[name]} == {"runs"}


async def test_what_a_delegate_does_counts_for_those_who_delegated() -> None:
    """A role's quota is not got round by having another role call; with `per: role` each of the chain has its own."""
    outer = role("outer", [COMMIT], delegates=["publisher"])
    quotas = [
        quota("of-outer", subject={"role": "outer"}, calls=1),
        quota("each", subject={"tenant": "acme"}, per="role", calls=5),
        quota("each-outer", subject={"role": "outer"}, per="role", calls=5),
    ]
    world = World(bundle=bundle(PUBLISHER, outer, tool_server(), *quotas))
    first = await world.enforce(world.command(key="1", role="publisher", delegated_by=("outer",)))
    assert first.result.outcome is Outcome.SUCCEEDED
    (claim,) = world.quota.claims
    assert [bound.name for bound in claim.bounds] == ["git", "each", "each", "each-outer", "of-outer"]
    assert len({bound.id for bound in claim.bounds}) == 5
    for context in ({"role": "publisher", "delegated_by": ("outer",)}, {"role": "outer"}):
        answer = await world.enforce(world.command(key=f"2 {context['role']}", **context))
        assert answer.decision.reasons[0].code == "QUOTA_EXCEEDED"
    alone = await world.enforce(world.command(key="3", role="publisher"))
    assert alone.result.outcome is Outcome.SUCCEEDED


async def test_how_far_a_quota_is_used_can_be_seen_before_it_refuses() -> None:
    """By tenant and quota; not of one with many counters, where the last caller's would be taken for the whole."""
    each = quota("each", subject={"tenant": "acme"}, per="role", calls=5)
    world = World(bundle=bundle(PUBLISHER, tool_server(), COMMITS, each))
    await world.enforce(world.command())
    seen = {
        name: world.registry.get_sample_value("amas_policy_quota_used_ratio", {"tenant": "acme", "quota": name})
        for name in ("commits", "each", "git")
    }
    assert seen == {"commits": 0.25, "each": None, "git": None}


async def test_a_claim_says_what_a_call_may_use() -> None:
    """Arguments by their size, an answer and the time by what they may be at most; the lease outlasts both."""
    server = tool_server(limits={"timeout": "5s", "responseSize": "2Ki", "concurrency": 3})
    world = World(bundle=bundle(PUBLISHER, server))
    await world.enforce(world.command(arguments=' {"message":  "docs: é"}'))
    (claim,) = world.quota.claims
    assert claim.bytes_out == len('{"message":"docs: é"}'.encode())
    assert claim.most_bytes_in == 2 * 2048 + 256
    assert claim.most_seconds == 2 * 5 + 30
    assert LONGEST_START < 30, "a start fits into what is held for it"
    assert claim.lease > claim.most_seconds
    assert claim.places == 3


async def test_what_a_call_used_is_settled() -> None:
    """Bytes as they were handed on, seconds as they passed; nothing for a call that was not made."""
    world = World()
    world.tools.answer = ToolAnswer(text="dön", structured={"a": 1}, is_error=False)
    world.tools.before = lambda: world.clock.advance(1.5)
    answer = await world.enforce(world.command(key="1"))
    world.audit.away = {"dev.amas.action.intent"}
    with pytest.raises(AmasError):
        await world.enforce(world.command(key="2"))
    size = len(answer.result.result_text.encode()) + len('{"a":1}')
    assert world.quota.settled == [("1", Used(bytes_in=size, seconds=1.5)), ("2", Used())]


@pytest.mark.parametrize("structured", [None, {"text": "ü" * 9000}])
async def test_an_answer_is_cut_to_what_may_come_in(structured: object) -> None:
    """No more is handed on than the quota has left, and the answer says that it was cut."""
    world = World()
    world.quota.allowance = 5000
    world.tools.answer = ToolAnswer(text="ü" * 9000 + "\x07", structured=structured, is_error=False)
    answer = await world.enforce(world.command())
    assert answer.result.truncated
    assert "[truncated: the first" in answer.result.result_text
    (_, used), *_ = world.quota.settled
    assert 2000 < used.bytes_in <= 5000


async def test_nobody_is_asked_to_approve_what_the_quota_refuses() -> None:
    """An approval of a call that is used up would be worth nothing."""
    world = World(bundle=ONE_CALL)
    await world.enforce(world.command(key="1"))
    world.engine.answer = escalating
    answer = await world.enforce(world.command(key="2"))
    assert answer.decision.effect is Effect.DENY
    assert answer.decision.reasons[0].code == "QUOTA_EXCEEDED"


async def test_an_escalation_takes_nothing() -> None:
    """The call that follows the approval finds the quota as it was."""
    world = World(bundle=ONE_CALL)
    world.engine.answer = escalating
    await world.enforce(world.command(key="1"))
    assert world.quota.counted == {}
