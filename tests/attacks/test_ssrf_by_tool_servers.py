"""Promise: a tool server over HTTP leads the platform to no address that its definition does not name (I1).

Neither by its spelling, nor by what its name leads to now or a moment later, nor by a redirect. What is attacked is the
policy-sidecar's own way to tool servers; names are asked of a name server that lies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from amas_chassis.clock import SystemClock
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers
from amas_policy_sidecar.adapters.sandbox.host import SandboxMode, SandboxSettings
from amas_policy_sidecar.adapters.transports import ToolSurroundings
from amas_policy_sidecar.domain.errors import Denied, ToolFailed

from .dns_server import Zone, serving

pytestmark = pytest.mark.integration
NAME = "tools.attacker.example"
LOOPBACK = ("127.0.0.0/8",)
Open = Callable[..., McpToolServers]


class McpHost:
    """An MCP server on loopback that notes whom each request was for, and may redirect."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.redirect: tuple[str, int, str] | None = None
        """The JSON-RPC method whose requests are sent elsewhere, with which status, and where to."""
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One message."""
        self.hosts.append(request.headers["Host"])
        message = await request.json()
        if "id" not in message:
            return web.Response(status=202)
        if self.redirect is not None and message["method"] == self.redirect[0] and request.path == "/mcp":
            return web.Response(status=self.redirect[1], headers={"Location": self.redirect[2]})
        results = {
            "initialize": {
                "protocolVersion": message.get("params", {}).get("protocolVersion", ""),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "host", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": f"from {request.path}"}]},
        }
        result = results.get(message["method"], {})
        response = web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})
        # The next request needs a new connection, so that it shows where it would go.
        response.force_close()
        return response

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """On a port of loopback."""
        app = web.Application()
        app.router.add_post("/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()


@pytest.fixture
async def host() -> AsyncIterator[McpHost]:
    """The server that a definition means."""
    made = McpHost()
    async with made.listening():
        yield made


@pytest.fixture
async def elsewhere() -> AsyncIterator[McpHost]:
    """Another one, which nobody named."""
    made = McpHost()
    async with made.listening():
        yield made


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Makes the sidecar's tool servers, which ask a given resolver."""
    made: list[McpToolServers] = []

    def open_with(
        resolver: AbstractResolver | None = None, refused: list[tuple[str, str]] | None = None
    ) -> McpToolServers:
        where = ToolSurroundings(
            environment={},
            credentials_dir=None,
            sandbox=SandboxSettings(SandboxMode.BEST_EFFORT, tmp_path),
            resolver=resolver,
        )
        heard = refused if refused is not None else []
        made.append(
            McpToolServers(where, SystemClock(), lambda _n, _w: None, lambda name, code: heard.append((name, code)))
        )
        return made[-1]

    yield open_with
    for one in made:
        await one.close()


def server(url: str, networks: Sequence[str] = ()) -> ToolServer:
    """A definition of a server over HTTP."""
    made = parse_manifest(
        {
            "apiVersion": "amas.dev/v1alpha1",
            "kind": "ToolServer",
            "metadata": {"name": "far"},
            "spec": {
                "transport": {"http": {"url": url, "egress": {"networks": list(networks)}}},
                "tools": {"look": {"effect": "read"}},
                "limits": {"timeout": "60s"},
            },
        }
    )
    assert isinstance(made, ToolServer)
    return made


async def refusal(tools: McpToolServers, definition: ToolServer) -> str:
    """The code with which the server's tools are refused."""
    with pytest.raises(Denied) as caught:
        await tools.list_tools("acme", definition)
    return caught.value.reasons[0].code


@pytest.mark.parametrize(
    "spelling",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",  # noqa: S104 - an address that must be refused
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",  # circled digits
    ],
)
async def test_no_spelling_leads_to_loopback(opened: Open, host: McpHost, spelling: str) -> None:
    """What the machine makes of an address is checked, not how it is written."""
    refused: list[tuple[str, str]] = []
    tools = opened(refused=refused)
    definition = server(f"http://{spelling}:{host.port}/mcp")
    assert await refusal(tools, definition) == "TOOL_ADDRESS_REFUSED"
    with pytest.raises(ToolFailed) as caught:
        await tools.call("acme", definition, "look", {})
    assert (caught.value.code, caught.value.sent) == ("TOOL_ADDRESS_REFUSED", False)
    assert host.hosts == []
    assert refused[0] == ("far", "TOOL_ADDRESS_REFUSED")


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "[fd00:ec2::254]", "168.63.129.16", "10.0.0.1", "192.168.0.1", "[fe80::1]"]
)
async def test_metadata_and_private_networks_are_not_asked(opened: Open, address: str) -> None:
    """Where a cloud hands out a machine's credentials, also if loopback is allowed."""
    assert await refusal(opened(), server(f"http://{address}/mcp", LOOPBACK)) == "TOOL_ADDRESS_REFUSED"


@pytest.mark.parametrize(
    "answers", [("127.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("93.184.216.34", "::1"), ("::ffff:127.0.0.1",)]
)
async def test_no_name_leads_inside(opened: Open, host: McpHost, answers: tuple[str, ...]) -> None:
    """One forbidden address among several is enough: which one would be taken is the attacker's to choose."""
    async with serving(Zone(*answers)) as resolver:
        definition = server(f"http://{NAME}:{host.port}/mcp")
        assert await refusal(opened(resolver), definition) == "TOOL_ADDRESS_REFUSED"
    assert host.hosts == []


async def test_a_name_that_changes_after_the_check_leads_nowhere_else(opened: Open, host: McpHost) -> None:
    """DNS rebinding: connections go to what was checked, and the name is not asked again before the next session."""
    zone = Zone("127.0.0.1")
    async with serving(zone) as resolver:
        tools = opened(resolver)
        definition = server(f"http://{NAME}:{host.port}/mcp", ("127.0.0.1",))
        await tools.list_tools("acme", definition)
        zone.addresses = ("127.0.0.2",)
        answer = await tools.call("acme", definition, "look", {})
        assert (answer.text, zone.asked) == ("from /mcp", 1)
        assert set(host.hosts) == {f"{NAME}:{host.port}"}, "the server is told its name, not its address"
        # Another tenant's session is another one: it asks, and is refused.
        with pytest.raises(Denied):
            await tools.list_tools("globex", definition)
        assert zone.asked == 2


async def test_an_address_that_does_not_answer_is_not_the_only_one(opened: Open, host: McpHost) -> None:
    """All checked addresses are tried."""
    async with serving(Zone("127.0.0.3", "127.0.0.1")) as resolver:
        definition = server(f"http://{NAME}:{host.port}/mcp", LOOPBACK)
        assert (await opened(resolver).call("acme", definition, "look", {})).text == "from /mcp"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["initialize", "tools/call"])
async def test_no_redirect_leads_elsewhere(
    opened: Open, host: McpHost, elsewhere: McpHost, status: int, method: str
) -> None:
    """Another port of the same machine is another place; what was asked may have happened before."""
    host.redirect = (method, status, f"http://127.0.0.1:{elsewhere.port}/mcp")
    refused: list[tuple[str, str]] = []
    tools = opened(refused=refused)
    definition = server(f"http://127.0.0.1:{host.port}/mcp", LOOPBACK)
    with pytest.raises(ToolFailed) as caught:
        await tools.call("acme", definition, "look", {})
    assert (caught.value.code, caught.value.sent) == ("TOOL_REDIRECT_REFUSED", method == "tools/call")
    assert ("far", "TOOL_REDIRECT_REFUSED") in refused
    assert elsewhere.hosts == []


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data/", "//localhost/", "gopher://127.0.0.1:6379/", "http://[::1"]
)
async def test_no_redirect_leads_to_a_forbidden_address(opened: Open, host: McpHost, target: str) -> None:
    """Whatever it is written like."""
    host.redirect = ("tools/list", 307, target)
    definition = server(f"http://127.0.0.1:{host.port}/mcp", LOOPBACK)
    assert await refusal(opened(), definition) == "TOOL_REDIRECT_REFUSED"


async def test_a_redirect_within_the_server_is_its_own_business(opened: Open, host: McpHost) -> None:
    """Such as one that adds a slash; it goes to the same checked address."""
    host.redirect = ("tools/call", 308, "/mcp/")
    definition = server(f"http://127.0.0.1:{host.port}/mcp", LOOPBACK)
    assert (await opened().call("acme", definition, "look", {})).text == "from /mcp/"


async def test_no_proxy_of_the_environment_is_used(
    opened: Open, host: McpHost, elsewhere: McpHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would see credentials, and connect where nobody checks."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{elsewhere.port}")
    definition = server(f"http://127.0.0.1:{host.port}/mcp", LOOPBACK)
    assert (await opened().call("acme", definition, "look", {})).text == "from /mcp"
    assert elsewhere.hosts == []
