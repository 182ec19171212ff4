"""`amas audit erase` against a gateway that remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from amas_cli.commands import session
from amas_cli.commands.audit import app
from typer.testing import CliRunner


class Gateway:
    """Answers for two contents."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    async def erase_contents(self, subject: str, *, dry_run: bool) -> dict[str, Any]:
        self.asked.append((subject, dry_run))
        return {"keys": 1, "contents": 2, "event_ids": [] if dry_run else ["erased:1"]}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made = Gateway()

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Gateway]:
        yield made

    monkeypatch.setattr(session, "gateway", opened)
    return made


def test_a_dry_run_erases_nothing(gateway: Gateway) -> None:
    """It says how much there is."""
    done = CliRunner().invoke(app, ["erase", "--subject", "alice", "--dry-run"])
    assert (done.exit_code, gateway.asked) == (0, [("alice", True)])
    assert "2 contents under 1 keys would be erased" in done.output


def test_nobody_at_the_terminal_means_no(gateway: Gateway) -> None:
    """What cannot be undone is not done by a script that did not say so."""
    done = CliRunner().invoke(app, ["erase", "--subject", "alice"])
    assert done.exit_code != 0
    assert gateway.asked == []


def test_what_was_erased_is_said_with_its_event(gateway: Gateway) -> None:
    """For programs too."""
    done = CliRunner().invoke(app, ["erase", "--subject", "alice", "--yes", "--output", "json"])
    assert (done.exit_code, gateway.asked) == (0, [("alice", False)])
    assert '"erased:1"' in done.output
