"""MCP over the pipes of a child process that is bounded in every way.

The SDK's own stdio client inherits more environment than a tool may have and buffers a line without a bound, hence this
one. It must never let a child outlive the session, see a credential that is not its own, or grow our memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from amas_governance.visible import visible
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from amas_policy_sidecar.domain.errors import ToolFailed

from .sandbox.program import EXIT_NO_SANDBOX, launcher_command, sent

_log = logging.getLogger(__name__)

# Longest message that a tool may send, in bytes: beyond it the session ends, since the rest cannot be told apart.
MAX_MESSAGE = 16 * 1024 * 1024
# Longest line of stderr that is looked at, in bytes: a piece of one might hold a piece of a credential, which no mask
# knows.
MAX_STDERR_LINE = 256 * 1024
# Longest piece of stderr logged as one line, in characters, and most lines logged in one session.
MAX_LOG_LINE = 500
MAX_LOG_LINES = 1000
_STDERR_CHUNK = 8192
# Seconds a child has to end by itself after its stdin closed, then after SIGTERM.
EXIT_GRACE = 1.0

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


@dataclass(frozen=True)
class Launch:
    """How to start one tool server. `spec` is what the launcher is told; `mask` hides the server's credentials."""

    name: str
    spec: Mapping[str, Any]
    workdir: Path
    mask: Callable[[str], str]


@asynccontextmanager
async def stdio_streams(launch: Launch, on_end: Callable[[], None]) -> AsyncIterator[Streams]:
    """The child's messages as the pair of streams that an MCP session takes; `on_end` is called when it stops talking.

    Raises OSError if the child cannot be started, ToolFailed if its jail cannot be built. The child's whole process
    group is gone when the context ends, and so is everything in its jail.
    """
    with sent(launch.spec) as descriptor:
        process = await asyncio.create_subprocess_exec(
            *launcher_command(descriptor),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
            cwd=launch.workdir,
            pass_fds=(descriptor,),
            start_new_session=True,
            limit=MAX_MESSAGE,
        )
    inbound_sender, inbound = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outbound, outbound_receiver = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(process, inbound_sender, launch.name, on_end)),
        asyncio.create_task(_write(process, outbound_receiver)),
        asyncio.create_task(_log_stderr(process, launch)),
    ]
    try:
        yield inbound, outbound
    finally:
        await _stop(process)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in (inbound_sender, inbound, outbound, outbound_receiver):
            stream.close()
        if process.returncode == EXIT_NO_SANDBOX:
            message = f"the sandbox of tool server {launch.name} cannot be built: the policy-sidecar's log says why"
            raise ToolFailed("TOOL_SANDBOX_UNAVAILABLE", message, sent=False)


async def _read(
    process: asyncio.subprocess.Process,
    sender: MemoryObjectSendStream[SessionMessage | Exception],
    name: str,
    on_end: Callable[[], None],
) -> None:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for; this is for the type checker
    try:
        async with sender:
            while line := await process.stdout.readline():
                try:
                    message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    # Some servers print to stdout; what is no message cannot be an answer.
                    _log.warning("tool server %s wrote a line that is no MCP message", name)
                    continue
                await sender.send(SessionMessage(message))
    except ValueError:
        _log.warning("tool server %s sent a message of more than %d bytes: closing it", name, MAX_MESSAGE)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
        pass
    finally:
        on_end()


async def _write(process: asyncio.subprocess.Process, receiver: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for; this is for the type checker
    with contextlib.suppress(ConnectionError):
        async with receiver:
            async for item in receiver:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()


async def _log_stderr(process: asyncio.subprocess.Process, launch: Launch) -> None:
    assert process.stderr is not None  # noqa: S101 - a pipe was asked for; this is for the type checker
    lines = 0
    async for line in _whole_lines(process.stderr):
        lines += 1
        if lines <= MAX_LOG_LINES:
            shown = visible(launch.mask(line.decode(errors="replace")))
            _log.info("tool server %s: %s", launch.name, shown[:MAX_LOG_LINE])
        elif lines == MAX_LOG_LINES + 1:
            _log.warning("tool server %s: further lines of stderr are not logged", launch.name)


async def _whole_lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Each line as a whole, or a note in place of one that is too long."""
    # Always read on: a child that blocks on a full stderr hangs.
    rest, too_long = b"", False
    while chunk := await reader.read(_STDERR_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield b"[a line that is too long]" if too_long else line
            too_long = False
        if len(rest) > MAX_STDERR_LINE:
            rest, too_long = b"", True
    if rest or too_long:
        yield b"[a line that is too long]" if too_long else rest


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Close stdin, then SIGTERM, then SIGKILL to the whole group, each after EXIT_GRACE seconds at most."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_GRACE):
                await process.wait()
                break
        _signal_group(process.pid, number)
    # What the program left behind in its group goes in any case.
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    # The child leads its own session, so its pid names the group, even after it has gone.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
