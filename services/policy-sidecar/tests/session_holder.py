"""Holds a session with a frozen tool server until it is killed: `-m tests.session_holder FOLDER SERVER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop
from amas_chassis.clock import SystemClock
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers

from .surroundings import surroundings


async def hold(folder: Path, script: str) -> None:
    definition = parse_manifest(
        {
            "apiVersion": "amas.dev/v1alpha1",
            "kind": "ToolServer",
            "metadata": {"name": "odd"},
            "spec": {
                "transport": {"stdio": {"command": [sys.executable, script], "sandbox": {"writable": ["."]}}},
                "tools": {"freeze": {"effect": "read"}},
                "limits": {"timeout": "5m"},
            },
        }
    )
    assert isinstance(definition, ToolServer)
    tools = McpToolServers(surroundings(folder), SystemClock(), lambda _name, _well: None)
    await asyncio.gather(tools.call("acme", definition, "freeze", {}))


if __name__ == "__main__":
    uvloop.run(hold(Path(sys.argv[1]), sys.argv[2]))
