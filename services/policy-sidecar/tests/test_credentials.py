"""Credentials of tool servers: rotated without a restart, and in no output of a run."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError
from amas_chassis.logs import JsonFormatter
from amas_governance.pins import tool_list_pin
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers
from amas_policy_sidecar.domain.errors import ToolFailed
from prometheus_client import CollectorRegistry, generate_latest

from .manifests import bundle, role, tool_server
from .processes import PATIENCE
from .surroundings import surroundings
from .world import World

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).with_name("hostile_server.py")
PLANTED = "planted/Credential+3.14159 é"
CONFESSOR = role("publisher", [{"name": "git/confess"}, {"name": "git/echo"}])
TOOLS = {"confess": {"effect": "read"}, "echo": {"effect": "read"}}


def spec(**more: Any) -> dict[str, Any]:
    """The hostile server with a credential in its environment."""
    return {
        "transport": {"stdio": {"command": [sys.executable, str(SCRIPT)], "sandbox": {"writable": ["."]}}},
        "tools": TOOLS,
        "credentials": [{"file": "token", "env": "TOKEN"}],
        **more,
    }


def definition(**more: Any) -> ToolServer:
    manifest = parse_manifest(tool_server(**spec(pin=None, **more)))
    assert isinstance(manifest, ToolServer)
    return manifest


class Place:
    """A working folder, a credentials folder, and tool servers over them."""

    def __init__(self, folder: Path) -> None:
        self.work, self.credentials = folder / "work", folder / "credentials"
        for made in (self.work, self.credentials):
            made.mkdir()
        self.rotate(PLANTED)
        self.starts: list[bool] = []
        where = surroundings(self.work, self.credentials)
        self.servers = McpToolServers(where, SystemClock(), lambda _name, well: self.starts.append(well))

    def rotate(self, value: str) -> None:
        """A new file under the old name, as a secrets manager does it."""
        fresh = self.credentials / "fresh"
        fresh.write_text(value)
        fresh.rename(self.credentials / "token")

    async def token(self) -> str:
        """The digest of the credential that the running server holds: the value itself does not come back."""
        answer = await self.servers.call("acme", definition(), "digest", {"name": "TOKEN"})
        return answer.text


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    yield made
    await made.servers.close()


@asynccontextmanager
async def speaking_http(heard: list[str]) -> AsyncIterator[str]:
    """An MCP server over HTTP that notes what each request is authorized with; answers its URL."""

    async def answer(request: web.Request) -> web.Response:
        heard.append(request.headers.get("Authorization", ""))
        message = await request.json()
        if "id" not in message:
            return web.Response(status=202)
        results = {
            "initialize": {
                "protocolVersion": message.get("params", {}).get("protocolVersion", ""),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "http", "version": "1"},
            },
            "tools/call": {"content": [{"type": "text", "text": f"you are {heard[-1]}"}]},
        }
        result = results.get(message["method"], {})
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})

    app = web.Application()
    app.router.add_post("/mcp", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    finally:
        await runner.cleanup()


class TestRotation:
    """A changed file is a rotation."""

    async def test_an_http_header_is_that_of_now(self, place: Place) -> None:
        """Each request carries the value of its time, within one session; an answer holds neither old nor new."""
        heard: list[str] = []
        async with speaking_http(heard) as url:
            server = definition(
                transport={"http": {"url": url, "egress": {"networks": ["127.0.0.1/32"]}}},
                credentials=[{"file": "token", "header": "Authorization"}],
            )
            place.rotate("Bearer first-token")
            first = await place.servers.call("acme", server, "who", {})
            assert heard[-1] == "Bearer first-token"
            place.rotate("Bearer second-token")
            second = await place.servers.call("acme", server, "who", {})
            await place.servers.close()
        assert heard[-1] == "Bearer second-token"
        assert (first.text, second.text) == ("you are [redacted:credential]",) * 2
        assert place.starts == [True]

    async def test_the_next_call_has_the_new_value(self, place: Place) -> None:
        """Without a restart of ours: the program is started again, once, and stays while nothing changes."""
        first = await place.token()
        assert await place.token() == first
        place.rotate("another-value")
        second = await place.token()
        assert second != first
        assert await place.token() == second
        assert place.starts == [True, True]

    async def test_a_call_under_way_ends_in_peace(self, place: Place) -> None:
        """A rotation cuts nothing off: the old program answers what it was asked before it goes."""
        call = asyncio.create_task(place.servers.call("acme", definition(), "wait_for", {"name": "go"}))
        waiting = place.work / "go.waiting"
        async with asyncio.timeout(PATIENCE):
            while not waiting.exists():  # noqa: ASYNC110 - another process sets no event of ours
                await asyncio.sleep(0.02)
        place.rotate("another-value")
        await place.token()
        assert not call.done()
        (place.work / "go").touch()
        assert (await call).text == "went"

    async def test_the_old_value_stays_masked(self, place: Place) -> None:
        """What was secret yesterday is so today."""
        await place.token()
        place.rotate("another-value")
        answer = await place.servers.call("acme", definition(), "echo", {"text": f"{PLANTED} another-value"})
        assert answer.text == "[redacted:credential] [redacted:credential]"

    async def test_a_credential_that_is_gone_stops_the_next_call(self, place: Place) -> None:
        """Fail closed: who takes the file away means it, also for a program that runs already."""
        await place.token()
        (place.credentials / "token").unlink()
        with pytest.raises(ToolFailed) as caught:
            await place.token()
        assert (caught.value.code, caught.value.sent) == ("TOOL_CREDENTIAL_MISSING", False)


def traces(output: str) -> list[str]:
    """What can be read of the planted credential in an output, plain or encoded."""
    raw = PLANTED.encode()
    forms = [PLANTED, json.dumps(PLANTED)[1:-1], raw.hex(), "planted/Cred", "planted%2FCred", "3.14159"]
    forms += [base64.b64encode(b"x" * pad + raw).decode()[4:-4] for pad in range(3)]
    return [form for form in forms if form.lower() in output.lower()]


async def test_no_output_of_a_run_holds_a_credential(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """I1: a tool that tells its whole environment, as its description, an answer, an error and on stderr, in plain and
    in codes: answers, records, errors, logs and metrics hold nothing of it."""
    caplog.set_level(logging.DEBUG)
    unpinned = definition()
    offered = await place.servers.list_tools("acme", unpinned)
    pin = tool_list_pin([tool.definition for tool in offered])
    world = World(bundle=bundle(CONFESSOR, tool_server(**spec(pin=pin))))
    world.tools = place.servers  # type: ignore[assignment]
    world.restart()
    outputs: list[str] = [repr(tool) for tool in offered]

    confessed = await world.enforce(world.command("git/confess", "{}", key="1"))
    outputs += [repr(confessed), repr(list(await world.list_tools(world.context())))]
    outputs += [repr(event) for event in world.audit.events.values()]
    assert "[redacted:credential]" in confessed.result.result_text

    (place.credentials / "token").write_text(f"{PLANTED}\nsecond line")
    for refused in (
        world.enforce(world.command("git/echo", '{"text":"x"}', key="3")),
        world.list_tools(world.context()),
    ):
        with pytest.raises(AmasError) as caught:
            await refused
        outputs += [repr(caught.value), str(caught.value.__cause__)]
    await place.servers.close()

    outputs += [JsonFormatter("policy-sidecar").format(record) for record in caplog.records]
    outputs.append(generate_latest(CollectorRegistry()).decode())
    assert any("tool server git" in output for output in outputs), "its stderr is in the log"
    assert [found for output in outputs for found in traces(output)] == []
