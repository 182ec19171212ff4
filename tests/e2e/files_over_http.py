"""A tool server on streamable HTTP with one tool that reads: `files_over_http.py PORT`."""

from __future__ import annotations

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("files")


@server.tool()
def list_files(path: str) -> list[str]:
    """Lists the files of a folder."""
    return [f"{path}/notes.txt"]


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
