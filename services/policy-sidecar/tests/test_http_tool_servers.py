"""Tool servers over Streamable HTTP: the same promises as over pipes, on a real server of the SDK."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers
from amas_policy_sidecar.domain.errors import ToolFailed

from .processes import PATIENCE, eventually
from .surroundings import surroundings

SCRIPT = Path(__file__).with_name("misbehaving_server.py")
Start = Callable[..., ToolServer]


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class HttpServer:
    """The misbehaving server behind a port, started and killed by the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    async def start(self, *options: str) -> None:
        command = [sys.executable, str(SCRIPT), "http", str(self.port), *options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stderr=log)  # noqa: ASYNC220 - returns at once
        await eventually(lambda: accepts(self.port))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=PATIENCE)

    def definition(self, **spec: object) -> ToolServer:
        manifest = parse_manifest(
            {
                "apiVersion": "amas.dev/v1alpha1",
                "kind": "ToolServer",
                "metadata": {"name": "odd"},
                "spec": {
                    "transport": {
                        "http": {"url": f"http://127.0.0.1:{self.port}/mcp", "egress": {"networks": ["127.0.0.1"]}}
                    },
                    "tools": {"echo": {"effect": "read"}},
                    "limits": {"timeout": "60s"},
                    **spec,
                },
            }
        )
        assert isinstance(manifest, ToolServer)
        return manifest


@pytest.fixture
def http(tmp_path: Path) -> Iterator[HttpServer]:
    made = HttpServer(tmp_path)
    yield made
    made.kill()


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[McpToolServers]:
    made = McpToolServers(surroundings(tmp_path, tmp_path), SystemClock(), lambda _name, _well: None)
    yield made
    await made.close()


@pytest.mark.integration
async def test_lists_and_calls(http: HttpServer, tools: McpToolServers) -> None:
    """The same tools, the same answers, whatever the transport."""
    await http.start()
    offered = await tools.list_tools("acme", http.definition())
    assert "echo" in {tool.name for tool in offered}
    answer = await tools.call("acme", http.definition(), "echo", {"text": "hello"})
    assert (answer.text, answer.is_error) == ("hello", False)


@pytest.mark.integration
async def test_death_in_mid_call_is_said_and_a_new_server_found(http: HttpServer, tools: McpToolServers) -> None:
    """I4: the request had reached the tool: said so; once the server is back, the next calls find it."""
    await http.start()
    mark = http._folder / "mark"
    with pytest.raises(ToolFailed) as caught:
        await tools.call("acme", http.definition(), "die", {"mark": str(mark)})
    assert caught.value.sent
    assert mark.read_text() == "done"
    http.kill()
    await http.start()
    answer = await tools.call("acme", http.definition(), "echo", {"text": "here"})
    assert answer.text == "here"


@pytest.mark.integration
async def test_a_server_that_is_away_is_unavailable(http: HttpServer, tools: McpToolServers) -> None:
    """Nobody listens: UNAVAILABLE, with a reason, at once."""
    with pytest.raises(AmasError) as caught:
        await tools.list_tools("acme", http.definition())
    assert caught.value.reason == "TOOL_SERVER_UNAVAILABLE"


@pytest.mark.integration
async def test_a_slow_call_times_out(http: HttpServer, tools: McpToolServers) -> None:
    """The definition's time-out holds over HTTP too."""
    await http.start()
    with pytest.raises(ToolFailed) as caught:
        await tools.call("acme", http.definition(limits={"timeout": "300ms"}), "dawdle", {"seconds": 30})
    assert (caught.value.code, caught.value.sent) == ("TOOL_TIMEOUT", True)


@pytest.mark.integration
@pytest.mark.parametrize("options", [(), ("json",)])
async def test_an_endless_answer_is_cut_off(http: HttpServer, tools: McpToolServers, options: tuple[str, ...]) -> None:
    """Neither an event nor a plain JSON answer may fill our memory; the next call works."""
    await http.start(*options)
    definition = http.definition(limits={"timeout": "60s"})
    with pytest.raises(ToolFailed) as caught:
        await tools.call("acme", definition, "flood", {"size": 20_000_000})
    assert caught.value.sent
    assert len((await tools.call("acme", definition, "flood", {"size": 2_000_000})).text) == 2_000_000


@pytest.mark.integration
async def test_the_environment_of_the_server_is_its_own(
    http: HttpServer, tools: McpToolServers, tmp_path: Path
) -> None:
    """A credential goes as a header and never comes back in an answer."""
    (tmp_path / "token").write_text("Bearer swordfish-1234")
    await http.start()
    definition = http.definition(credentials=[{"file": "token", "header": "Authorization"}])
    answer = await tools.call("acme", definition, "echo", {"text": "swordfish-1234"})
    assert answer.text == "[redacted:credential]"
    assert json.dumps(answer.structured).count("swordfish") == 0
