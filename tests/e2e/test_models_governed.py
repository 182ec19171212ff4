"""Budgets as users meet them: refused with what is left at every door, shown by every view, shared with nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest

from ..gateway_client import SDK_RETRIES
from ..waiting import wait_for
from .governed_models import apply_routes, budget, client, say, set_budget, settled
from .heard_model import HeardModel, serving

pytestmark = pytest.mark.e2e

SPENDER = "release-manager"
SPEC: dict[str, Any] = {"subject": {"tenant": "acme", "principal": SPENDER}}
# Tokens of an answer in these tests, and calls until a budget with room for some must be spent.
ANSWER = 20
MOST_CALLS = 40
# With this much left a call of ANSWER tokens fits, and not many after it (US dollars; a token is a millionth).
ROOM = Decimal("0.0003")
RUN_TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def model(platform, tmp_path_factory) -> Iterator[HeardModel]:
    """The provider behind the routes of governed.yaml, which are applied."""
    with serving() as server:
        apply_routes(platform, server.url, tmp_path_factory.mktemp("governed"))
        yield server


@pytest.fixture(scope="module")
def spender(platform, model) -> Iterator[openai.OpenAI]:
    """The SDK as the one principal who pays here."""
    with client(platform, SPENDER) as sdk:
        yield sdk


def cost(amount: Decimal) -> dict[str, str]:
    """US dollars as a resource says them."""
    return {"amount": str(amount), "currency": "USD"}


def ask(sdk: openai.OpenAI, words: str = "hello", route: str = "metered", **options: Any) -> Any:
    """One chat completion of at most ANSWER tokens."""
    return sdk.chat.completions.create(model=route, messages=say(words), **{"max_tokens": ANSWER, **options})


def spend_all(sdk: openai.OpenAI) -> None:
    """Calls until a budget says no."""
    for _ in range(MOST_CALLS):
        try:
            ask(sdk)
        except openai.APIStatusError as refused:
            if refused.status_code == 402:
                return
            raise
    raise AssertionError(f"{MOST_CALLS} calls fit")


@pytest.fixture
def spent(developer, spender) -> Iterator[str]:
    """A budget in money that has just refused a call; its name."""
    name = "spender-money"
    with budget(developer, name, {**SPEC, "cost": cost(Decimal(100))}):
        ask(spender)
        used = Decimal(settled(developer, name)["costUsed"]["amount"])
        set_budget(developer, name, {**SPEC, "cost": cost(used + ROOM)})
        spend_all(spender)
        yield name


def test_a_spent_budget_is_402_at_every_door_whole_or_streamed(spent, spender, platform):
    """I5: each API says it in its own form, with the budget's name, what is left, when it renews; no stream begins."""
    for streams in (False, True):
        with pytest.raises(openai.APIStatusError) as refused:
            ask(spender, stream=streams)
        assert (refused.value.status_code, refused.value.code) == (402, "budget_exceeded")
        headers = refused.value.response.headers
        assert headers["x-amas-budget"] == spent
        assert Decimal(0) <= Decimal(headers["x-amas-budget-remaining-cost"]) < ROOM
        assert headers["x-amas-budget-renews-at"]
        assert "Left:" in refused.value.message
        with pytest.raises(openai.APIStatusError) as unanswered:
            spender.responses.create(model="metered", input="hello", max_output_tokens=ANSWER, stream=streams)
        assert (unanswered.value.status_code, unanswered.value.code) == (402, "budget_exceeded")
    url = str(platform.status()["endpoints"]["openai"]).removesuffix("/v1")
    with anthropic.Anthropic(base_url=url, api_key=spender.api_key, max_retries=SDK_RETRIES) as sdk:
        for streams in (False, True):
            with pytest.raises(anthropic.APIStatusError) as declined:
                sdk.messages.create(model="metered", max_tokens=ANSWER, messages=say("hello"), stream=streams)
            assert (declined.value.status_code, declined.value.type) == (402, "billing_error")


def test_every_view_of_a_budget_agrees_with_the_ledger(developer, spender, platform):
    """What the budget counts is what the ledger bills, in REST, JSON and the table."""
    name = "spender-views"

    def billed() -> Decimal:
        rows = [row for row in developer.call("GET", "/usage")["rows"] if row["route"] == "metered"]
        return sum((Decimal(row["usage"]["cost"]["amount"]) for row in rows), Decimal(0))

    def used() -> Decimal:
        return Decimal(settled(developer, name)["costUsed"]["amount"])

    with budget(developer, name, {**SPEC, "cost": cost(Decimal(100))}):
        ask(spender)
        before = used() - billed()
        for words in ("one", "burn 17"):
            ask(spender, words)
        list(ask(spender, "a stream that is read", stream=True))
        assert used() - billed() == before
        (told,) = platform.json("budgets", name, as_="auditor")
        assert Decimal(told["cost_used"]["amount"]) == used()
        table = platform.command("budgets", name, "--as", "auditor")
        assert f"${used().normalize():f} of $100" in table
        assert " of 0" not in table, "what is not limited has no limit to show"
        assert "heard/heard" in platform.command("usage", "--as", "auditor")


def test_a_budget_in_tokens_counts_what_was_used(developer, spender, model):
    """Tokens are counted as the provider bills them; a call that cannot fit is refused before it is asked."""
    name = "spender-tokens"
    with budget(developer, name, {**SPEC, "tokens": 10**9}):
        ask(spender)
        before = int(settled(developer, name)["tokensUsed"])
        ask(spender, "burn 700", max_tokens=800)
        assert int(settled(developer, name)["tokensUsed"]) == before + 710
        set_budget(developer, name, {**SPEC, "tokens": before + 710 + 100})
        with pytest.raises(openai.APIStatusError) as refused:
            ask(spender, "too much for it")
        assert refused.value.response.headers["x-amas-budget-remaining-tokens"] == "100"
        assert model.times("too much for it") == 0


def test_each_principal_has_a_budget_of_its_own(developer, spender, platform):
    """One who spends all leaves the other's whole."""
    name = "each-principal"
    spec: dict[str, Any] = {"subject": {"tenant": "acme"}, "per": "principal"}
    with client(platform, "developer") as other, budget(developer, name, {**spec, "tokens": 10**9}):
        ask(other)
        ask(spender)
        used = {one: int(settled(developer, name, one)["tokensUsed"]) for one in ("developer", SPENDER)}
        limit = max(used.values()) + 2000
        set_budget(developer, name, {**spec, "tokens": limit})
        burnt = limit - used[SPENDER] - 300
        ask(spender, f"burn {burnt - 10}", max_tokens=burnt - 10)
        settled(developer, name, SPENDER)
        with pytest.raises(openai.APIStatusError) as refused:
            ask(spender, max_tokens=400)
        assert refused.value.status_code == 402
        assert ask(other, max_tokens=400).usage.total_tokens == 15
        assert int(settled(developer, name, "developer")["tokensUsed"]) == used["developer"] + 15


def test_a_client_that_leaves_a_stream_leaves_nothing_held(developer, spender, model):
    """The provider's call is cut, what came is billed, and what was reserved for the rest is free again."""
    name = "spender-streams"
    with budget(developer, name, {**SPEC, "tokens": 10**9}):
        ask(spender)
        before = int(settled(developer, name)["tokensUsed"])
        with ask(spender, "drip", stream=True, max_tokens=900) as stream:
            for _, _chunk in zip(range(3), stream, strict=False):
                pass
        assert model.left.wait(RUN_TIMEOUT_S), "the provider goes on for nobody"
        wait_for("the bill of what came", lambda: int(settled(developer, name)["tokensUsed"]) > before, RUN_TIMEOUT_S)
        assert int(settled(developer, name)["tokensUsed"]) < before + 900


def test_a_run_whose_budget_is_spent_ends_and_says_so(developer, model, platform, tmp_path):
    """It does not wait for the budget to renew, nor ask again and again."""
    run = developer.start("spender", {})
    ended = wait_for("the end of the run", lambda: developer.ended(run), RUN_TIMEOUT_S)
    assert (ended["state"], ended["reason"]["code"]) == ("RUN_STATE_FAILED", "BUDGET_EXCEEDED"), ended
    assert "verified" in platform.verify(run, tmp_path)
    assert model.times("agent spender") == 0


def test_tenants_never_meet(developer, stranger, spender, model, platform, tmp_path):
    """Same names, same words: another tenant has its own routes, caches, budgets and costs, and sees no other's."""
    apply_routes(platform, model.url, tmp_path, "other-developer")
    words = "what two tenants ask alike"
    with client(platform, "other-developer") as other, budget(developer, "ours", {**SPEC, "tokens": 10**9}):
        before = [row for row in developer.call("GET", "/usage")["rows"] if row["route"] == "kept"]
        ask(spender, words, route="kept")
        theirs = other.chat.completions.with_raw_response.create(model="kept", messages=say(words), max_tokens=ANSWER)
        assert theirs.headers["x-amas-cache"] == "miss"
        assert model.times(words) == 2
        assert [name["name"] for name in stranger.call("GET", "/budgets").get("budgets", [])] == []
        assert {row["route"] for row in stranger.call("GET", "/usage")["rows"]} == {"kept"}
        mine = [row for row in developer.call("GET", "/usage")["rows"] if row["route"] == "kept"]
        assert sum(int(row["calls"]) for row in mine) == sum(int(row["calls"]) for row in before) + 1
        # `default` was applied for one of the two alone.
        names = {entry.id for entry in other.models.list()}
        assert names == {"metered", "kept", "two-targets", "redacted", "pseudonymised"}
        assert names < {entry.id for entry in spender.models.list()}
        with pytest.raises(openai.NotFoundError):
            ask(other, route="default")
