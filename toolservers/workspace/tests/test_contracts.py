"""The release-notes contracts against the live tool servers: the pins hold, the paths work, the grants fit."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from amas_governance.consistency import check
from amas_governance.loader import LoadResult, SourceFile, load
from amas_governance.narrowing import merge_argument_schema, validate_arguments
from amas_governance.pins import tool_list_pin
from amas_governance.resources import AgentRole, ToolServer
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

CONTRACTS = Path(__file__).parents[3] / "policies" / "contracts" / "release-notes"
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


def server(name: str) -> ToolServer:
    """The ToolServer of that name."""
    found = [r for r in contracts().resources if isinstance(r, ToolServer) and r.metadata.name == name]
    return found[0]


def grant_schema(role: str, tool: str, tools: list[dict[str, Any]]) -> dict[str, Any]:
    """The schema of a tool as the role's contract narrows it."""
    roles = {r.metadata.name: r for r in contracts().resources if isinstance(r, AgentRole)}
    granted = roles[role].spec.grant(tool)
    assert granted is not None
    live = next(live for live in tools if live["name"] == tool.partition("/")[2])
    return merge_argument_schema(live["inputSchema"], granted.arguments)


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """A folder with a working copy called `repository`, as the platform lays it out."""
    repository = tmp_path / "repository"
    for command in (
        ["init", "-q", str(repository)],
        ["-C", str(repository), "config", "user.name", "developer"],
        ["-C", str(repository), "config", "user.email", "developer@localhost"],
        ["-C", str(repository), "commit", "-q", "--allow-empty", "-m", "feat: begin"],
    ):
        subprocess.run(["git", *command], check=True, timeout=30)
    return tmp_path


@asynccontextmanager
async def live(name: str, workdir: Path) -> AsyncIterator[tuple[ClientSession, list[dict[str, Any]]]]:
    """A session with the server that a contract names, and its tools as JSON."""
    stdio = server(name).spec.transport.stdio
    assert stdio is not None
    program = Path(sysconfig.get_path("scripts")) / stdio.command[0]
    parameters = StdioServerParameters(command=str(program), args=list(stdio.command[1:]), cwd=workdir)
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        tools = (await client.list_tools()).tools
        yield client, [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]


def text(result: CallToolResult) -> str:
    """The only content of a result that is no error."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert not result.is_error, content.text
    return content.text


def test_the_contracts_fit_together() -> None:
    """Names, schemas and expressions agree; with the platform's model nothing is missing."""
    loaded = contracts()
    assert loaded.problems == []
    assert check(loaded.resources, loaded.positions) == []


@pytest.mark.parametrize("name", ["git", "workspace"])
async def test_the_pins_are_those_of_the_live_servers(name: str, workdir: Path) -> None:
    """A changed tool list is refused until it is accepted again; the accepted ones are the installed ones."""
    async with live(name, workdir) as (_, tools):
        assert tool_list_pin(tools) == server(name).spec.pin
        assert server(name).spec.tools.keys() <= {tool["name"] for tool in tools}


async def test_the_main_job_works_with_the_paths_of_the_contracts(workdir: Path) -> None:
    """Log, write, add and commit, with the relative paths that the grants allow, end in one commit."""
    notes = {"path": "repository/RELEASE_NOTES.md", "content": "# Release notes\n"}
    async with live("workspace", workdir) as (client, tools):
        assert validate_arguments(grant_schema("writer", "workspace/write_file", tools), notes) == []
        assert json.loads(text(await client.call_tool("write_file", notes)))["changed"] is True
    async with live("git", workdir) as (client, tools):
        for role, tool, arguments, words in (
            ("historian", "git/git_log", {"repo_path": "repository", "max_count": 50}, "feat: begin"),
            ("publisher", "git/git_add", {"repo_path": "repository", "files": ["RELEASE_NOTES.md"]}, "staged"),
            ("publisher", "git/git_commit", {"repo_path": "repository", "message": "docs: update"}, "hash"),
        ):
            assert validate_arguments(grant_schema(role, tool, tools), arguments) == []
            assert words in text(await client.call_tool(tool.partition("/")[2], arguments))
        shown = text(await client.call_tool("git_show", {"repo_path": "repository", "revision": "HEAD"}))
    assert "docs: update" in shown
    assert "+++ b/RELEASE_NOTES.md" in shown


NOT_GRANTED: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "git": [
        ("historian", "git/git_log", {"repo_path": "repository", "max_count": 51}),
        ("historian", "git/git_log", {"repo_path": "/", "max_count": 5}),
        ("historian", "git/git_log", {"repo_path": "repository"}),
        ("publisher", "git/git_add", {"repo_path": "repository", "files": ["."]}),
        ("publisher", "git/git_add", {"repo_path": "repository", "files": ["RELEASE_NOTES.md", "x"]}),
        ("publisher", "git/git_commit", {"repo_path": "repository", "message": "feat: x"}),
        ("publisher", "git/git_commit", {"repo_path": "other", "message": "docs: x"}),
        ("publisher", "git/git_commit", {"repo_path": "repository", "message": "docs: " + "x" * 200}),
    ],
    "workspace": [
        ("writer", "workspace/write_file", {"path": "repository/Makefile", "content": "x"}),
        ("writer", "workspace/write_file", {"path": "repository/RELEASE_NOTES.md/x", "content": "x"}),
        ("writer", "workspace/write_file", {"path": "repository/RELEASE_NOTESxmd", "content": "x"}),
        ("publisher", "workspace/read_file", {"path": "repository/secret"}),
    ],
}


@pytest.mark.parametrize("name", sorted(NOT_GRANTED))
async def test_what_a_contract_does_not_grant_is_refused(name: str, workdir: Path) -> None:
    """Each grant is as narrow as its purpose."""
    async with live(name, workdir) as (_, tools):
        pass
    for role, tool, arguments in NOT_GRANTED[name]:
        assert validate_arguments(grant_schema(role, tool, tools), arguments), (role, tool, arguments)


def test_only_the_commit_asks_a_human_and_happens_once() -> None:
    """The commit is the one action of the four roles that needs an approval, by another person than the requester."""
    roles = [r for r in contracts().resources if isinstance(r, AgentRole)]
    asked = [(r.metadata.name, g.name) for r in roles for g in r.spec.tools if g.approval is not None]
    assert asked == [("publisher", "git/git_commit")]
    publisher = next(r for r in roles if r.metadata.name == "publisher")
    commit = publisher.spec.grant("git/git_commit")
    assert commit is not None
    assert commit.approval is not None
    assert commit.approval.four_eyes
    assert commit.limits.calls == 1
    assert publisher.spec.bounds.wall_clock > commit.approval.expires_in
