"""`amas-helpdesk-server --state DIR`: serves the help desk of one folder over MCP on standard input and output."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sqlite3
import sys
from pathlib import Path

from .desk import Desk
from .pages import Pages
from .server import create_server
from .state import State

EXIT_USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Serves until standard input ends. Exit code 2: the command line or the folder is wrong."""
    parser = argparse.ArgumentParser(prog="amas-helpdesk-server", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the records; it is made if need be")
    folder = parser.parse_args(arguments).state
    # Standard output belongs to the protocol.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        state = State.open(folder)
        pages = Pages.open(folder)
    except (OSError, sqlite3.Error, ValueError) as error:
        sys.stderr.write(f"amas-helpdesk-server: --state {folder}: {error}\n")
        return EXIT_USAGE
    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it in a terminal
        asyncio.run(create_server(Desk(state, pages)).run_stdio_async())
    return 0


if __name__ == "__main__":
    sys.exit(main())
