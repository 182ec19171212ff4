"""Asks a person yes or no, without holding up the event loop: Ctrl-C works while waiting."""

import asyncio
import sys


def interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def confirm(question: str) -> bool:
    """Ask on standard error; only a yes is a yes, and the end of the input is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sys.stdin, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
