"""`amas-workspace-server --root DIR`: serves the files of one folder over MCP, on standard input and output or HTTP."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer

from . import http
from .limits import Limits, parse_size
from .server import create_server
from .workspace import Workspace

EXIT_USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Serves until standard input ends, or SIGTERM. Exit code 2: the command line, folder or tokens are wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.listen is not None and options.tokens is None:
        parser.error("--listen needs --tokens: over the network nobody is served without a token")
    # Standard output belongs to the protocol.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    limits = Limits(options.max_bytes, options.max_files, options.max_file_bytes)
    try:
        workspace = Workspace(options.root, limits)
    except OSError as error:
        sys.stderr.write(f"amas-workspace-server: --root {options.root}: {error.strerror}\n")
        return EXIT_USAGE
    try:
        asyncio.run(_serve(create_server(workspace, read_only=options.read_only), options))
    except http.TokenError as error:
        sys.stderr.write(f"amas-workspace-server: --tokens {error}\n")
        return EXIT_USAGE
    except KeyboardInterrupt:
        pass  # the usual way to end it in a terminal
    finally:
        workspace.close()
    return 0


async def _serve(server: MCPServer, options: argparse.Namespace) -> None:
    if options.listen is None:
        await server.run_stdio_async()
        return
    host, port = options.listen
    names = options.name or [f"{host}:{port}"]
    await http.serve(server, host, port, names, http.Tokens(options.tokens))


def _parser() -> argparse.ArgumentParser:
    defaults = Limits()
    parser = argparse.ArgumentParser(prog="amas-workspace-server", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder; nothing outside it can be reached")
    parser.add_argument("--max-bytes", type=_size, default=defaults.max_bytes, help="of all files (default 10Mi)")
    parser.add_argument("--max-files", type=_count, default=defaults.max_files, help="in all (default 1000)")
    parser.add_argument(
        "--max-file-bytes", type=_size, default=defaults.max_file_bytes, help="of one file (default 1Mi)"
    )
    parser.add_argument("--read-only", action="store_true", help="offer no tool that writes")
    parser.add_argument("--listen", type=_address, help="host:port of streamable HTTP (path /mcp) instead of stdio")
    parser.add_argument("--tokens", type=Path, help="file of bearer tokens, one a line; read at each request")
    parser.add_argument(
        "--name", action="append", help="name:port under which HTTP is reached; repeatable (default: that of --listen)"
    )
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError("expected host:port")
    return host.strip("[]"), int(port)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a whole number of 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
