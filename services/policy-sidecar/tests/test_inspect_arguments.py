"""What was seen in arguments is remembered, and remembering never changes what is seen (I1, I8)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from amas_governance import dlp
from amas_policy_sidecar.domain.model import Effect
from amas_policy_sidecar.usecases.inspect_arguments import MAX_REMEMBERED_TEXT

from .manifests import bundle, role, tool_server
from .world import World

MAIL = "developer@example.com"


@pytest.fixture
def looked_through(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Arguments that were looked through, in order."""
    values: list[Any] = []
    inspect = dlp.inspect_value

    def inspected(value: Any) -> list[dlp.Sighting]:
        values.append(value)
        return inspect(value)

    monkeypatch.setattr(dlp, "inspect_value", inspected)
    return values


def world(**grant: Any) -> World:
    tools = {"commit": {"effect": "write"}}
    return World(bundle=bundle(role("publisher", [{"name": "git/commit", **grant}]), tool_server(tools=tools)))


async def enforce(one: World, text: str, key: str) -> tuple[Effect, Any]:
    answer = await one.enforce(one.command(arguments=text, key=key))
    return answer.decision.effect, one.tools.calls[-1][1] if one.tools.calls else None


async def test_the_same_text_is_looked_through_once(looked_through: list[Any]) -> None:
    """And what was seen the first time holds the second time."""
    one = world(dlp={"pii": "redact"})
    text = json.dumps({"message": f"docs: {MAIL}"})
    first = await enforce(one, text, "1")
    assert first == (Effect.ALLOW, {"message": "docs: [redacted:email]"})
    assert await enforce(one, text, "2") == first
    assert len(looked_through) == 1


async def test_a_number_that_is_written_otherwise_is_looked_at_anew(looked_through: list[Any]) -> None:
    """Two texts of one value are two texts: what is seen depends on the digits that stand there."""
    one = world()
    for key, number in enumerate(("4111111111111112", "4111111111111112.0")):
        await enforce(one, f'{{"message": "docs: x", "more": {number}}}', str(key))
    assert [repr(value["more"]) for value in looked_through] == ["4111111111111112", "4111111111111112.0"]


async def test_what_one_may_not_let_out_another_may(looked_through: list[Any]) -> None:
    """Only what was seen is remembered, never what was decided about it."""
    text = json.dumps({"message": f"docs: {MAIL}"})
    assert (await enforce(world(dlp={"pii": "deny"}), text, "1"))[0] is Effect.DENY
    assert (await enforce(world(dlp={"pii": "allow"}), text, "1"))[0] is Effect.ALLOW


async def test_a_long_text_is_not_remembered(looked_through: list[Any]) -> None:
    """Memory is bounded by the number of short texts."""
    one = world()
    text = json.dumps({"message": "docs: " + "a " * MAX_REMEMBERED_TEXT})
    for key in ("1", "2"):
        await enforce(one, text, key)
    assert len(looked_through) == 2
