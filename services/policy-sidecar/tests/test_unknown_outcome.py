"""A tool server that is killed in mid-call, with everything real but policy, quota and log (invariant I4)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from amas_chassis.clock import SystemClock
from amas_governance.pins import tool_list_pin
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers
from amas_policy_sidecar.domain.model import Outcome

from .manifests import bundle, role, tool_server
from .processes import eventually
from .surroundings import running, surroundings
from .world import World

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).with_name("misbehaving_server.py")
WORKER = role("publisher", [{"name": "git/work"}, {"name": "git/surroundings"}])


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[McpToolServers]:
    made = McpToolServers(surroundings(tmp_path), SystemClock(), lambda _name, _well: None)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("policy", "outcome", "calls"),
    [
        ({"effect": "write"}, Outcome.UNKNOWN, 1),
        ({"effect": "write", "idempotent": True}, Outcome.FAILED, 2),
        ({"effect": "read"}, Outcome.FAILED, 2),
    ],
)
async def test_killed_in_mid_call(
    policy: dict[str, object], outcome: Outcome, calls: int, tools: McpToolServers, tmp_path: Path
) -> None:
    """I4: what may do harm twice is not repeated and said to be unknown; what may be repeated is, once."""
    spec = {
        "transport": {"stdio": {"command": [sys.executable, str(SCRIPT)], "sandbox": {"writable": ["."]}}},
        "tools": {"work": policy, "surroundings": {"effect": "read"}},
        "limits": {"timeout": "30s"},
    }
    unpinned = parse_manifest(tool_server(**spec))
    assert isinstance(unpinned, ToolServer)
    offered = await tools.list_tools("acme", unpinned)
    pin = tool_list_pin([tool.definition for tool in offered])
    world = World(bundle=bundle(WORKER, tool_server(**spec, pin=pin)))
    world.tools = tools  # type: ignore[assignment]
    world.restart()

    mark = tmp_path / "mark"
    command = world.command(tool="git/work", arguments=json.dumps({"mark": mark.name}))
    asked = asyncio.create_task(world.enforce(command))
    for _ in range(calls):
        await eventually(mark.exists)
        mark.unlink()
        (pid,) = running(SCRIPT.name)
        os.kill(pid, signal.SIGKILL)
    answer = await asked
    assert answer.result.outcome is outcome
    assert world.audit.data("dev.amas.action.outcome")["outcome"] == outcome.value

    world.restart()
    again = await world.enforce(command)
    assert (again.result.outcome, again.replayed) == (outcome, True)
    assert not mark.exists()
    healthy = await world.enforce(world.command(tool="git/surroundings", arguments="{}", key="2"))
    assert healthy.result.outcome is Outcome.SUCCEEDED
