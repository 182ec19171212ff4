"""A real MCP server, by the SDK, that does on request what a tool server should not: die, freeze, flood, leak.

Run as a program: `misbehaving_server.py [stdio | http PORT | dies | silent]`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("misbehaving")
_running = 0
_most = 0


@server.tool()
def surroundings() -> str:
    """What this process sees of its surroundings."""
    return json.dumps(
        {"environment": dict(os.environ), "folder": str(Path.cwd()), "pid": os.getpid(), "group": os.getpgid(0)}
    )


@server.tool()
def echo(text: str) -> str:
    """Says it back."""
    return text


@server.tool()
def die(mark: str) -> str:
    """Has its effect, then dies before it answers."""
    Path(mark).write_text("done")
    os._exit(9)


@server.tool()
async def freeze() -> str:
    """Blocks everything, pings too."""
    Path("frozen").touch()  # noqa: ASYNC240 - blocking the loop is the point
    time.sleep(600)  # noqa: ASYNC251 - blocking the loop is the point
    return "late"


@server.tool()
async def work(mark: str) -> str:
    """Has its effect, then takes for ever."""
    await asyncio.to_thread(Path(mark).write_text, "done")
    await asyncio.sleep(600)
    return "late"


@server.tool()
async def dawdle(seconds: float) -> str:
    """Takes its time, and answers pings meanwhile."""
    await asyncio.sleep(seconds)
    return "late"


@server.tool()
async def meet(number: int) -> str:
    """Waits until so many calls are under way at once, leaves more of them time to come, and says how many did."""
    global _running, _most
    _running += 1
    _most = max(_most, _running)
    while _most < number:  # noqa: ASYNC110 - there is nobody who would set an event
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    _running -= 1
    return str(_most)


@server.tool()
def flood(size: int) -> str:
    """Answers that many characters."""
    return "x" * size


@server.tool()
def chatter(lines: int) -> str:
    """Writes to stderr, much, and to stdout what is no message."""
    for number in range(lines):
        print(f"line {number} " + "y" * 200, file=sys.stderr)
    print("this is no JSON-RPC", flush=True)
    return "said"


@server.tool()
def breed() -> str:
    """Starts a child that ignores everybody, in the same process group."""
    return str(subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid)


@server.tool()
async def grow(context: Context) -> str:
    """Offers another tool from now on, and says so."""

    def grown() -> str:
        return "grown"

    server.add_tool(grown, name="grown", description="Was not there before.")
    await context.session.send_tool_list_changed()
    return "grew"


def main() -> None:
    mode = sys.argv[1] if len(sys.argv) > 1 else "stdio"
    with Path("starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    if mode == "dies":
        sys.exit(3)
    if mode == "silent":
        time.sleep(600)
    if mode == "http":
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]), json_response=sys.argv[3:] == ["json"])
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
