"""The line before a tool server's places."""

from __future__ import annotations

import asyncio

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_policy_sidecar.domain.quota import QuotaClaim
from amas_policy_sidecar.usecases import wait_in_line
from amas_policy_sidecar.usecases.wait_in_line import Lines


def claim(server: str = "git", tenant: str = "acme", places: int = 2) -> QuotaClaim:
    return QuotaClaim(
        tenant=tenant,
        tool=f"{server}/log",
        server=server,
        key="k",
        bounds=(),
        places=places,
        bytes_out=0,
        most_bytes_in=1,
        most_seconds=1.0,
        lease=10.0,
        attempt="a",
    )


async def test_calls_pass_in_the_order_in_which_they_came() -> None:
    """Nobody overtakes, and never more are inside than the server takes at once."""
    lines, passed, inside = Lines(), [], 0

    async def call(number: int) -> None:
        nonlocal inside
        async with lines.place(claim()):
            inside += 1
            assert inside <= 2
            passed.append(number)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(call(number) for number in range(20)))
    assert passed == list(range(20))


async def test_servers_and_tenants_have_lines_of_their_own() -> None:
    """A full server of one tenant holds up nobody else (I8)."""
    lines = Lines()
    async with (
        asyncio.timeout(60),
        lines.place(claim(places=1)),
        lines.place(claim(server="mail", places=1)),
        lines.place(claim(tenant="globex", places=1)),
    ):
        pass


async def test_waiting_is_bounded_and_leaves_the_place_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long is told so, and takes no place with it."""
    monkeypatch.setattr(wait_in_line, "MAX_WAIT", 0.01)
    lines = Lines()
    async with lines.place(claim(places=1)):
        with pytest.raises(AmasError) as busy:
            async with lines.place(claim(places=1)):
                pytest.fail("there was no place")
    assert busy.value.kind is ErrorKind.RESOURCE_EXHAUSTED
    assert busy.value.reason == "TOOL_BUSY"
    async with asyncio.timeout(60), lines.place(claim(places=1)):
        pass


async def test_idle_lines_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of lines is bounded by those in use."""
    monkeypatch.setattr(wait_in_line, "MAX_LINES", 3)
    lines = Lines()
    async with lines.place(claim(server="kept")):
        for number in range(10):
            async with lines.place(claim(server=f"server-{number}")):
                pass
        assert len(lines._lines) <= 3
        assert ("acme", "kept", 2) in lines._lines
