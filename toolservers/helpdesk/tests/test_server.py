"""The help desk over MCP, as its own process: what the contracts name is what it offers, and errors are sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from amas_governance.consistency import check
from amas_governance.loader import LoadResult, SourceFile, load
from amas_governance.pins import tool_list_pin
from amas_governance.resources import AgentRole, ToolServer
from amas_helpdesk_server.state import State
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

CONTRACTS = Path(__file__).parents[3] / "policies" / "contracts" / "support-desk"
# What the platform adds when it starts: the provider and the route, without which no role is complete.
MODEL = """\
{apiVersion: amas.dev/v1alpha1, kind: ModelProvider, metadata: {name: local},
 spec: {api: openai, baseUrl: "http://127.0.0.1:9/v1", models: {scripted: {}}}}
---
{apiVersion: amas.dev/v1alpha1, kind: ModelRoute, metadata: {name: default},
 spec: {targets: [{provider: local, model: scripted}]}}
"""


def contracts() -> LoadResult:
    """All contract files, and the model."""
    files = [SourceFile(path.name, path.read_text(encoding="utf-8")) for path in sorted(CONTRACTS.glob("*.yaml"))]
    return load([*files, SourceFile("model.yaml", MODEL)])


def server() -> ToolServer:
    """The ToolServer of the contracts."""
    return next(r for r in contracts().resources if isinstance(r, ToolServer))


@asynccontextmanager
async def live(workdir: Path) -> AsyncIterator[tuple[ClientSession, list[dict[str, Any]]]]:
    """A session with the server that the contract names, and its tools as JSON."""
    stdio = server().spec.transport.stdio
    assert stdio is not None
    assert stdio.command[0] == "amas-helpdesk-server"
    arguments = ["-m", "amas_helpdesk_server", *stdio.command[1:]]
    parameters = StdioServerParameters(command=sys.executable, args=arguments, cwd=workdir)
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        tools = (await client.list_tools()).tools
        yield client, [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]


def text(result: CallToolResult) -> str:
    """The only content of a result."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_the_contracts_fit_together() -> None:
    """Names, schemas and expressions agree; with the platform's model nothing is missing."""
    loaded = contracts()
    assert loaded.problems == []
    assert check(loaded.resources, loaded.positions) == []


async def test_the_pin_is_that_of_the_live_server(tmp_path: Path) -> None:
    """The accepted tools are the installed ones, and each has an effect in the contract."""
    async with live(tmp_path) as (_, tools):
        assert tool_list_pin(tools) == server().spec.pin
        assert server().spec.tools.keys() == {tool["name"] for tool in tools}


async def test_a_client_works_on_a_ticket(tmp_path: Path) -> None:
    """Records that are in the folder are read, effects land in it, and a refusal is one sentence without a trace."""
    state = State.open(tmp_path / "helpdesk")
    with state.transaction() as change:
        change.put("ticket", "T-1001", {"id": "T-1001", "body": "Grüße"})
    async with live(tmp_path) as (client, _):
        assert json.loads(text(await client.call_tool("read_ticket", {"ticket": "T-1001"})))["body"] == "Grüße"
        assert not (await client.call_tool("close_ticket", {"ticket": "T-1001"})).is_error
        refused = await client.call_tool("close_ticket", {"ticket": "T-9999"})
    assert refused.is_error
    assert "there is no such ticket" in text(refused)
    assert "Traceback" not in text(refused)
    assert [effect.tool for effect in state.ledger()] == ["close_ticket"]


def test_every_effect_names_its_sensitive_arguments() -> None:
    """I6: for each tool with an effect the contract says which arguments decide where it goes."""
    for name, policy in server().spec.tools.items():
        assert policy.effect == "read" or policy.sensitive, name


def test_who_reads_strangers_can_neither_delete_nor_look_others_up() -> None:
    """No role that is handed a ticket holds a tool that deletes, or one that reads another customer's records."""
    roles = {r.metadata.name: r for r in contracts().resources if isinstance(r, AgentRole)}
    exposed = [role for role in roles.values() if role.spec.grant("helpdesk/read_ticket")]
    assert {role.metadata.name for role in exposed} == {"ticket-reader", "resolver"}
    for role in exposed:
        held = {grant.tool for grant in role.spec.tools}
        assert not held & {"delete_customer", "get_customer", "search_orders"}
        assert "privacy-officer" not in role.spec.delegates
        limit = role.spec.grant("helpdesk/read_ticket")
        assert limit is not None
        assert limit.limits.calls == 1


def test_money_and_deletion_always_wait_for_another_person() -> None:
    """Every grant of a refund or a deletion asks for a support lead, who is not the requester."""
    roles = [r for r in contracts().resources if isinstance(r, AgentRole)]
    grants = [g for r in roles for g in r.spec.tools if g.tool in ("refund_order", "delete_customer")]
    assert len(grants) == 3
    for grant in grants:
        assert grant.approval is not None
        assert grant.approval.from_ == ("support-leads",)
        assert grant.approval.four_eyes


def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    """Whoever configures a server sees what is wrong."""
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "amas_helpdesk_server", "--state", "file"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--state file" in done.stderr
    assert "Traceback" not in done.stderr
