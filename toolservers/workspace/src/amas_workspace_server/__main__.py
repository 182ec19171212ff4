"""`amas-workspace-server --root DIR`: serves the files of one folder over MCP on standard input and output."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from .limits import Limits, parse_size
from .server import create_server
from .workspace import Workspace

EXIT_USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Serves until standard input ends. Exit code 2: the command line or the folder is wrong."""
    options = _parser().parse_args(arguments)
    # Standard output belongs to the protocol.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    limits = Limits(options.max_bytes, options.max_files, options.max_file_bytes)
    try:
        workspace = Workspace(options.root, limits)
    except OSError as error:
        sys.stderr.write(f"amas-workspace-server: --root {options.root}: {error.strerror}\n")
        return EXIT_USAGE
    try:
        asyncio.run(create_server(workspace, read_only=options.read_only).run_stdio_async())
    except KeyboardInterrupt:
        pass  # the usual way to end it in a terminal
    finally:
        workspace.close()
    return 0


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
    return parser


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
