"""The tools as MCP shows them. Names, texts and schemas are pinned by contracts: a change here needs a new pin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import wraps
from importlib.metadata import version
from typing import Annotated, ParamSpec

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from .jail import PathRefused
from .workspace import Refused, Workspace

_P = ParamSpec("_P")

FilePath = Annotated[str, Field(description="Path of a file, relative to the workspace, such as docs/notes.md")]
FolderPath = Annotated[str, Field(description="Path of a folder, relative to the workspace; . is the workspace")]
AnyPath = Annotated[str, Field(description="Path of a file or folder, relative to the workspace")]
Content = Annotated[str, Field(description="The whole new text of the file")]

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


@contextmanager
def _told_to_the_model() -> Iterator[None]:
    """What was foreseen becomes an error result with its message; anything else the SDK hides and logs."""
    try:
        yield
    except (PathRefused, Refused) as error:
        raise ToolError(str(error)) from error


def _answering(function: Callable[_P, str]) -> Callable[_P, str]:
    @wraps(function)
    def answer(*args: _P.args, **kwargs: _P.kwargs) -> str:
        with _told_to_the_model():
            return function(*args, **kwargs)

    return answer


def create_server(workspace: Workspace, *, read_only: bool) -> MCPServer:
    """The server of one workspace; with `read_only` the tools that write do not exist."""
    server = MCPServer("amas-workspace", version=version("amas-workspace-server"), subscriptions=False)
    _add_reading(server, workspace)
    if not read_only:
        _add_writing(server, workspace)
    return server


def _add_reading(server: MCPServer, workspace: Workspace) -> None:
    @server.tool(
        name="list_files",
        description="Lists the files and folders directly in a folder, as JSON with path, type, bytes and modified",
        annotations=_READS,
        structured_output=False,
    )
    @_answering
    def list_files(path: FolderPath = ".") -> str:
        return json.dumps([asdict(entry) for entry in workspace.list(path)], ensure_ascii=False)

    @server.tool(
        name="read_file",
        description="Reads a text file and answers with its content",
        annotations=_READS,
        structured_output=False,
    )
    @_answering
    def read_file(path: FilePath) -> str:
        return workspace.read(path)

    @server.tool(
        name="stat_file",
        description="Tells the type, size and time of the last change of a file or folder, as JSON",
        annotations=_READS,
        structured_output=False,
    )
    @_answering
    def stat_file(path: AnyPath) -> str:
        return json.dumps(asdict(workspace.stat(path)), ensure_ascii=False)


def _add_writing(server: MCPServer, workspace: Workspace) -> None:
    @server.tool(
        name="write_file",
        description=(
            "Writes a text file as a whole, replacing what was there, and makes folders on the way. Answers with JSON: "
            "path, bytes, changed (false if the file held the same content before), created and sha256"
        ),
        annotations=_WRITES,
        structured_output=False,
    )
    @_answering
    def write_file(path: FilePath, content: Content) -> str:
        return json.dumps(asdict(workspace.write(path, content)), ensure_ascii=False)

    @server.tool(
        name="delete_file",
        description="Deletes a file",
        annotations=_WRITES,
        structured_output=False,
    )
    @_answering
    def delete_file(path: FilePath) -> str:
        workspace.delete(path)
        return json.dumps({"deleted": True})
