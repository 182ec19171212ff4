"""`amas audit subject` against a gateway that knows one person."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from amas_cli.commands import session
from amas_cli.commands.audit import app
from typer.testing import CliRunner

KEYS = [{"id": "k1", "retention": "standard", "contents": 5}]


class Gateway:
    """Three runs of alice, at most two a page."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    async def subject_page(self, subject: str, token: str, size: int) -> tuple[list[Any], list[Any], str]:
        self.asked.append((subject, token, size))
        if subject != "alice":
            return [], [], ""
        runs = [{"run_id": name, "events": 1, "contents": 2} for name in ("", "run-1", "run-2")]
        start = int(token or 0)
        end = min(start + min(size, 2), len(runs))
        return runs[start:end], KEYS, "" if end == len(runs) else str(end)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made = Gateway()

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Gateway]:
        yield made

    monkeypatch.setattr(session, "gateway", opened)
    return made


def test_all_pages_are_one_answer(gateway: Gateway) -> None:
    """For programs: runs and keys, whole."""
    done = CliRunner().invoke(app, ["subject", "alice", "--output", "json"])
    said = json.loads(done.output)
    assert [run["run_id"] for run in said["runs"]] == ["", "run-1", "run-2"]
    assert (said["keys"], said["next_page_token"]) == (KEYS, "")
    assert gateway.asked == [("alice", "", 1000), ("alice", "2", 998)]


def test_a_limit_says_how_to_go_on(gateway: Gateway) -> None:
    """Half an answer never passes for the whole."""
    done = CliRunner().invoke(app, ["subject", "alice", "--limit", "2"])
    assert "run-1" in done.output
    assert "run-2" not in done.output
    assert "--after 2" in done.output
    assert "(no run)" in done.output
    again = CliRunner().invoke(app, ["subject", "alice", "--after", "2"])
    assert "run-2" in again.output


def test_nobody_is_said_so(gateway: Gateway) -> None:
    """It is no error, and says that an erased person looks the same."""
    done = CliRunner().invoke(app, ["subject", "bob"])
    assert done.exit_code == 0
    assert "nothing of that subject" in done.output
