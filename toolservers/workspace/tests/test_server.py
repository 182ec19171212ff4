"""The server as a client sees it: over standard input and output, through the SDK's own client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

READING = ["list_files", "read_file", "stat_file"]
WRITING = ["delete_file", "write_file"]


@asynccontextmanager
async def session(root: Path, *options: str) -> AsyncIterator[ClientSession]:
    """A client of a server that runs as its own process."""
    arguments = ["-m", "amas_workspace_server", "--root", ".", *options]
    parameters = StdioServerParameters(command=sys.executable, args=arguments, cwd=root)
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        yield client


def text(result: CallToolResult) -> str:
    """The only content of a result."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_a_client_writes_and_reads(tmp_path: Path) -> None:
    """The tools work through the protocol, and answer with JSON or with the file itself."""
    async with session(tmp_path) as client:
        listed = await client.list_tools()
        assert sorted(tool.name for tool in listed.tools) == sorted(READING + WRITING)
        written = await client.call_tool("write_file", {"path": "a/b.md", "content": "hello"})
        assert json.loads(text(written))["changed"] is True
        assert text(await client.call_tool("read_file", {"path": "a/b.md"})) == "hello"
        entries = json.loads(text(await client.call_tool("list_files", {"path": "a"})))
        assert [(entry["path"], entry["type"], entry["bytes"]) for entry in entries] == [("a/b.md", "file", 5)]
        assert json.loads(text(await client.call_tool("stat_file", {"path": "a"})))["type"] == "folder"
        assert json.loads(text(await client.call_tool("delete_file", {"path": "a/b.md"}))) == {"deleted": True}
        assert json.loads(text(await client.call_tool("list_files", {"path": "a"}))) == []


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("read_file", {"path": "nothing"}, "no such file"),
        ("read_file", {"path": "../x"}, "may not contain .."),
        ("write_file", {"path": ".git/config", "content": ""}, ".git"),
        ("write_file", {"path": "x", "content": "y" * 2000}, "at most 1024 bytes"),
        ("read_file", {}, "path"),
        ("format_disk", {}, "Unknown tool"),
    ],
)
async def test_errors_are_results_without_a_trace(
    tmp_path: Path, tool: str, arguments: dict[str, str], words: str
) -> None:
    """A refused call is an error result with one clear sentence: no stack trace, no path of this machine."""
    async with session(tmp_path, "--max-file-bytes", "1Ki") as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert words in text(result)
    assert "Traceback" not in text(result)
    assert str(tmp_path) not in text(result)


async def test_a_read_only_server_has_no_tool_that_writes(tmp_path: Path) -> None:
    """What is not offered cannot be called."""
    async with session(tmp_path, "--read-only") as client:
        assert sorted(tool.name for tool in (await client.list_tools()).tools) == READING
        result = await client.call_tool("write_file", {"path": "x", "content": "y"})
        assert json.loads(text(await client.call_tool("list_files", {}))) == []
    assert result.is_error


async def test_the_tool_list_is_the_same_every_time(tmp_path: Path) -> None:
    """The list depends on nothing but the version, so that its pin holds."""
    seen = []
    for options in ((), ("--max-bytes", "1Mi")):
        async with session(tmp_path, *options) as client:
            seen.append([tool.model_dump_json() for tool in (await client.list_tools()).tools])
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--root", "missing"], "No such file"),
        ([], "--root"),
        (["--root", ".", "--max-bytes", "lots"], "expected a size"),
        (["--root", ".", "--max-files", "0"], "1 or more"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    """Whoever configures a server sees what is wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "amas_workspace_server", *arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
