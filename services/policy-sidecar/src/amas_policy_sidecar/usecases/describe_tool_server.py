"""What a live tool server offers, with the pin that accepting it would write: for a human who has to accept it."""

from __future__ import annotations

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.pins import pinned_tools

from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import GrantedTool, LiveServer
from amas_policy_sidecar.ports import Bundles, ToolServers

from .pinned_tools import live_pin

# Sessions are kept apart by tenant; this one belongs to none.
_NO_TENANT = ""


class DescribeToolServer:
    """Asks a live server, accepted or not."""

    def __init__(self, bundles: Bundles, tools: ToolServers) -> None:
        self._bundles = bundles
        self._tools = tools

    async def __call__(self, bundle: str, name: str) -> LiveServer:
        """Everything that the server offers; effect is empty for a tool that the bundle does not know."""
        server = self._bundles.get(bundle).tool_server(name)
        if server is None:
            raise AmasError(ErrorKind.NOT_FOUND, "TOOL_SERVER_UNKNOWN", f"the bundle has no tool server {name}")
        policies = server.spec.tools
        try:
            live = await self._tools.list_tools(_NO_TENANT, server)
            pin = live_pin(live)
        except Denied as denied:
            reason = denied.reasons[0]
            raise AmasError(ErrorKind.FAILED_PRECONDITION, reason.code, reason.message) from denied
        tools = [
            GrantedTool(
                name=f"{name}/{tool.name}",
                description=tool.description,
                arguments_schema=tool.input_schema,
                effect=policies[tool.name].effect if tool.name in policies else "",
                idempotent=tool.name in policies and policies[tool.name].idempotent,
            )
            for tool in live
        ]
        offer = pinned_tools(tool.definition for tool in live)
        return LiveServer(tools=tools, pin=pin, accepted_pin=server.spec.pin or "", offer=offer)
