"""gateway_runs: pages become runs, without what they were given and made, and no answer is taken for an empty list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from amas_operator.adapters.gateway import Gateway
from amas_operator.adapters.gateway_runs import PAGE, GatewayRuns
from amas_operator.domain.errors import NotAllowedError, OperatorError, UnavailableError
from amas_operator.domain.runs import RunSeen

from .servers import serving

SECRET = "what-nobody-may-see" * 20_000
"""Larger than what comes in one piece."""


async def _token() -> str:
    return "a-token"


def _item(number: int, state: str = "RUN_STATE_SUCCEEDED") -> dict[str, Any]:
    return {
        "id": f"run-{number:04d}",
        "tenant": "acme",
        "orchestration": "release-notes",
        "state": state,
        "requester": "alice",
        "traceId": "4bf92f3577b34da6",
        "inputJson": f'"{SECRET}"' if number == 0 else "{}",
        "outputJson": "",
        "usage": {"inputTokens": "12", "cost": {"amount": "0.0120", "currency": "EUR"}},
        "steps": [],
        "createdAt": "2026-11-28T20:00:00.123456789Z",
        "startedAt": "2026-11-28T20:00:01Z",
    }


class Lists:
    """A gateway with runs and pending approvals; remembers what it was asked."""

    def __init__(self, runs: list[dict[str, Any]], approvals: list[dict[str, Any]]) -> None:
        self.lists = {"runs": runs, "approvals": approvals}
        self.asked: list[str] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        name = request.path.removeprefix("/v1/")
        begin, size = int(request.query.get("pageToken") or 0), int(request.query["pageSize"])
        items = self.lists[name]
        token = str(begin + size) if begin + size < len(items) else ""
        return web.json_response({name: items[begin : begin + size], "nextPageToken": token})


async def _newest(lists: Lists, count: int) -> list[RunSeen]:
    async with serving(lists) as url, Gateway(url, _token) as gateway:
        return await GatewayRuns(gateway).newest(count)


async def test_a_run_is_read_without_what_it_was_given() -> None:
    """However long that is: large answers come in pieces."""
    (run,) = await _newest(Lists([_item(0)], []), 10)
    assert run == RunSeen(
        id="run-0000",
        orchestration="release-notes",
        state="succeeded",
        created_at=datetime(2026, 11, 28, 20, 0, 0, 123456, tzinfo=UTC),
        started_at=datetime(2026, 11, 28, 20, 0, 1, tzinfo=UTC),
        ended_at=None,
        cost="0.0120",
        currency="EUR",
        trace_id="4bf92f3577b34da6",
    )


async def test_pages_are_followed_as_far_as_runs_are_wanted() -> None:
    """And no further; nobody asks for approvals where no run waits."""
    lists = Lists([_item(number) for number in range(4 * PAGE)], [])
    found = await _newest(lists, 2 * PAGE + 3)
    assert [run.id for run in found] == [f"run-{number:04d}" for number in range(2 * PAGE + 3)]
    assert [path.startswith("/v1/runs?") for path in lists.asked] == [True, True, True]
    assert "pageSize=3&" in lists.asked[2]


async def test_approvals_that_wait_are_counted_for_each_run() -> None:
    """By the list of those that are pending."""
    runs = [_item(1, "RUN_STATE_WAITING"), _item(2, "RUN_STATE_RUNNING"), _item(3, "RUN_STATE_WAITING")]
    lists = Lists(runs, [{"runId": "run-0001"}, {"runId": "run-0003"}, {"runId": "run-0001"}])
    assert [(run.state, run.approvals_waiting) for run in await _newest(lists, 10)] == [
        ("waiting", 2),
        ("running", 0),
        ("waiting", 1),
    ]
    assert "state=pending" in lists.asked[1]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, {"title": "not found"}, UnavailableError),
        (200, {}, UnavailableError),
        (200, {"runs": None}, UnavailableError),
        (200, {"runs": ["run-1"]}, UnavailableError),
        (200, {"runs": [{"id": "run-1"}]}, UnavailableError),
        (200, {"runs": [_item(1) | {"id": "../secrets"}]}, UnavailableError),
        (200, {"runs": [_item(1) | {"createdAt": "yesterday"}]}, UnavailableError),
        (200, {"runs": [_item(1) | {"usage": "much"}]}, UnavailableError),
        (403, {"detail": "no role allows run.read", "reason": "ROLE_MISSING"}, NotAllowedError),
        (503, {"title": "away"}, UnavailableError),
    ],
)
async def test_an_answer_without_a_list_of_runs_is_an_error(status: int, body: Any, error: type[OperatorError]) -> None:
    """An empty list would take every run from the cluster."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    async with serving(answer) as url, Gateway(url, _token) as gateway:
        with pytest.raises(error):
            await GatewayRuns(gateway).newest(5)
