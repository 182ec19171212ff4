import json

import pytest

from ..fakes import FakeGateway
from .conftest import Run

ROW = {
    "runId": "run-1",
    "role": "writer",
    "route": "default",
    "provider": "openai",
    "model": "gpt-5-mini",
    "calls": "3",
    "usage": {"inputTokens": "1204", "outputTokens": "85", "cost": {"amount": "0.000412", "currency": "USD"}},
    "cacheHits": "1",
    "saved": {"amount": "0.0001", "currency": "USD"},
}
STATE = {
    "name": "acme-daily",
    "subject": "developer",
    "window": "day",
    "renewsAt": "2999-01-01T00:00:00Z",
    "costLimit": {"amount": "50", "currency": "USD"},
    "costUsed": {"amount": "1.25", "currency": "USD"},
    "costReserved": {"amount": "0.5", "currency": "USD"},
    "tokensUsed": "1289",
}


def test_usage_shows_what_was_spent_on_what(run: Run, gateway: FakeGateway) -> None:
    """One row a group of the ledger, with what a cache saved."""
    gateway.answers["GET", "/v1/usage"] = {"rows": [ROW], "nextPageToken": ""}
    done = run("usage", "--run", "run-1")
    assert done.exit_code == 0, done.output
    cells = ("run-1", "writer", "default", "openai/gpt-5-mini", "3", "1", "1204+85", "$0.000412", "$0.0001")
    assert done.stdout.splitlines()[1].split() == list(cells)


def test_budgets_show_what_is_used_held_and_left(run: Run, gateway: FakeGateway) -> None:
    """What nothing limits is shown without a limit."""
    gateway.answers["GET", "/v1/budgets"] = {"budgets": [STATE], "nextPageToken": ""}
    done = run("budgets", "acme-daily")
    assert done.exit_code == 0, done.output
    shown = done.stdout.splitlines()[1]
    assert shown.split()[:3] == ["acme-daily", "developer", "day"]
    assert "$1.25 of $50" in shown
    assert "$0.5 " in shown
    assert "1289" in shown
    assert "of" not in shown.partition("1289")[2]
    assert "in " in shown


def test_a_budget_in_tokens_shows_tokens_alone(run: Run, gateway: FakeGateway) -> None:
    """64-bit integers come as texts, of which `"0"` is no limit; tokens are held where no money is counted."""
    counted = {"name": "a", "window": "hour", "tokenLimit": "200", "tokensUsed": "0", "tokensReserved": "64"}
    unlimited = {**STATE, "tokenLimit": "0", "tokensReserved": "64"}
    gateway.answers["GET", "/v1/budgets"] = {"budgets": [counted, unlimited], "nextPageToken": ""}
    _, first, second = run("budgets").stdout.splitlines()
    assert first.split() == ["a", "hour", "64", "tokens", "0", "of", "200"]
    assert "of 0" not in second
    assert "64 tokens" not in second


@pytest.mark.parametrize(("command", "path", "field"), [("usage", "usage", "rows"), ("budgets", "budgets", "budgets")])
def test_programs_get_the_answer_as_it_is(run: Run, gateway: FakeGateway, command: str, path: str, field: str) -> None:
    """All pages of it, and a sentence where there is nothing."""
    gateway.answers["GET", f"/v1/{path}"] = {field: [{"name": "a", "costUsed": {"amount": "1"}}], "nextPageToken": ""}
    assert json.loads(run(command, "--output", "json").stdout) == [{"name": "a", "cost_used": {"amount": "1"}}]
    gateway.answers["GET", f"/v1/{path}"] = {field: [], "nextPageToken": ""}
    assert run(command).stdout.startswith("no ")
