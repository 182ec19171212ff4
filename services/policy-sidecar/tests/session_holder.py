"""A process that holds a session with a frozen tool server until it is killed: `session_holder.py FOLDER SERVER`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvloop
from amas_chassis.clock import SystemClock
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers, ToolSurroundings


async def hold(folder: Path, script: str) -> None:
    definition = parse_manifest(
        {
            "apiVersion": "amas.dev/v1alpha1",
            "kind": "ToolServer",
            "metadata": {"name": "odd"},
            "spec": {
                "transport": {"stdio": {"command": [sys.executable, script]}},
                "tools": {"freeze": {"effect": "read"}},
                "limits": {"timeout": "5m"},
            },
        }
    )
    assert isinstance(definition, ToolServer)
    surroundings = ToolSurroundings(folder, {"PATH": os.defpath}, None)
    tools = McpToolServers(surroundings, SystemClock(), lambda _name, _well: None)
    await asyncio.gather(tools.call("acme", definition, "freeze", {}))


if __name__ == "__main__":
    uvloop.run(hold(Path(sys.argv[1]), sys.argv[2]))
