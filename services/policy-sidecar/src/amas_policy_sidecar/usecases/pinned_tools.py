"""The live tools of a server, if they are exactly those that somebody accepted (no "rug pull")."""

from __future__ import annotations

from collections.abc import Mapping

from amas_governance.resources import ToolServer

from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import ToolDescription, ToolList
from amas_policy_sidecar.ports import ToolServers


async def accepted_tools(tools: ToolServers, tenant: str, server: ToolServer) -> Mapping[str, ToolDescription]:
    """The live tools by name; raises Denied if they were never accepted or are no longer what was accepted."""
    name = server.metadata.name
    if not server.spec.pin:
        raise Denied("TOOL_NOT_ACCEPTED", f"nobody has accepted the tools of {name} yet: `amas tools accept {name}`")
    live = await tools.list_tools(tenant, server)
    if live_pin(live) != server.spec.pin:
        raise Denied(
            "TOOL_PIN_MISMATCH", f"the tools of {name} changed since they were accepted: they are held until then"
        )
    return {tool.name: tool for tool in live}


def live_pin(live: ToolList) -> str:
    """The pin of a tool list; a list that cannot be pinned, such as one with a name twice, is refused."""
    try:
        return live.pin
    except ValueError as error:
        raise Denied("TOOL_LIST_UNUSABLE", f"the tool server's list cannot be used: {error}") from error
