"""Tool servers over real pipes: supervised, bounded, kept apart, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters import mcp_requests, mcp_session
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers
from amas_policy_sidecar.domain.errors import ToolFailed

from .processes import PATIENCE, PAUSE, children, ends, eventually, make_repository
from .surroundings import ENVIRONMENT, running, surroundings

SCRIPT = Path(__file__).with_name("misbehaving_server.py")


def server(*arguments: str, command: list[str] | None = None, **spec: Any) -> ToolServer:
    """A definition of the misbehaving server, which may write in the working folder."""
    sandbox = {"writable": ["."]}
    manifest = parse_manifest(
        {
            "apiVersion": "amas.dev/v1alpha1",
            "kind": "ToolServer",
            "metadata": {"name": "odd"},
            "spec": {
                "transport": {
                    "stdio": {"command": command or [sys.executable, str(SCRIPT), *arguments], "sandbox": sandbox}
                },
                "tools": {"echo": {"effect": "read"}},
                "limits": {"timeout": "60s"},
                **spec,
            },
        }
    )
    assert isinstance(manifest, ToolServer)
    return manifest


class Tools:
    """The adapter in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.credentials = folder / "credentials"
        for made in (self.folder, self.credentials):
            made.mkdir()
        self.starts: list[bool] = []
        where = surroundings(self.folder, self.credentials)
        self.servers = McpToolServers(where, SystemClock(), lambda _, well: self.starts.append(well))

    async def call(self, definition: ToolServer, tool: str, tenant: str = "acme", **arguments: Any) -> str:
        return (await self.servers.call(tenant, definition, tool, arguments)).text

    async def surroundings(self, definition: ToolServer, tenant: str = "acme") -> dict[str, Any]:
        text = await self.call(definition, "surroundings", tenant)
        value = json.loads(text)
        assert isinstance(value, dict)
        return value

    async def failure(self, definition: ToolServer, tool: str, **arguments: Any) -> ToolFailed:
        with pytest.raises(ToolFailed) as caught:
            await self.call(definition, tool, **arguments)
        return caught.value

    @contextlib.contextmanager
    def hurried(self) -> Iterator[None]:
        """Calls of the servers that run are given up soon; what is asked before and after it has all its time."""
        sessions = [held.session for held in self.servers._held.values()]
        before = [session._call_timeout for session in sessions]
        for session in sessions:
            session._call_timeout = 0.3
        yield
        for session, seconds in zip(sessions, before, strict=True):
            session._call_timeout = seconds

    async def offers(self, definition: ToolServer, tool: str) -> None:
        """Return once the server's list has the tool."""
        async with asyncio.timeout(PATIENCE):
            while tool not in {offered.name for offered in await self.servers.list_tools("acme", definition)}:  # noqa: ASYNC110
                await asyncio.sleep(PAUSE)

    def begun(self) -> int:
        """How often the program was started."""
        with contextlib.suppress(FileNotFoundError):
            return len((self.folder / "starts").read_text().split())
        return 0

    def pids(self) -> list[int]:
        """The tool servers that run now."""
        return running(SCRIPT.name)


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[Tools]:
    made = Tools(tmp_path)
    yield made
    await made.servers.close()
    await eventually(lambda: not made.pids())


@pytest.mark.integration
async def test_a_published_server_works(tools: Tools) -> None:
    """mcp-server-git, found beside the interpreter, logs and commits in a real repository."""
    repository = make_repository(tools.folder / "repository")
    git = server(command=["mcp-server-git", "--repository", "repository"])
    offered = await tools.servers.list_tools("acme", git)
    assert {"git_log", "git_commit", "git_add"} <= {tool.name for tool in offered}
    assert "the first" in await tools.call(git, "git_log", repo_path="repository")
    (repository / "notes.md").write_text("notes")
    await tools.call(git, "git_add", repo_path="repository", files=["notes.md"])
    await tools.call(git, "git_commit", repo_path="repository", message="docs: notes")
    assert "docs: notes" in await tools.call(git, "git_log", repo_path="repository")


class TestSurroundings:
    """What a tool server gets to see, and what it does not."""

    async def test_a_minimal_environment_of_its_own(self, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
        """I1: nothing of our environment but PATH, HOME and LANG; its own folder, session and process group."""
        monkeypatch.setenv("AMAS_SECRET_OF_OURS", "swordfish")
        seen = await tools.surroundings(server())
        assert set(seen["environment"]) - {"LC_CTYPE", "PWD"} == {"PATH", "HOME", "LANG"}
        assert seen["folder"] == "/workspace"
        (pid,) = tools.pids()
        assert os.getpgid(pid) != os.getpgid(0)

    async def test_credentials_come_from_files_and_never_come_back(self, tools: Tools) -> None:
        """The server gets the credential; whoever reads its answer does not, and a new one needs no restart of ours."""
        (tools.credentials / "token").write_text("swordfish-1234\n")
        definition = server(credentials=[{"file": "token", "env": "TOKEN"}])
        assert (await tools.surroundings(definition))["environment"]["TOKEN"] == "[redacted:credential]"
        assert await tools.call(definition, "echo", text="is it swordfish-1234?") == "is it [redacted:credential]?"
        (tools.credentials / "token").write_text("marlin-5678\n")
        await tools.failure(definition, "die", mark="mark")
        assert await tools.call(definition, "echo", text="is it marlin-5678?") == "is it [redacted:credential]?"

    async def test_a_missing_credential_stops_the_server(self, tools: Tools) -> None:
        """Without its credential a server is not started, and the error names the file but no path of ours."""
        failure = await tools.failure(server(credentials=[{"file": "token", "env": "TOKEN"}]), "echo", text="x")
        assert (failure.code, failure.sent) == ("TOOL_CREDENTIAL_MISSING", False)
        assert str(tools.folder) not in failure.message
        assert tools.begun() == 0

    async def test_a_credential_cannot_replace_the_path(self, tools: Tools) -> None:
        """What we set wins over what a bundle names."""
        (tools.credentials / "token").write_text("/elsewhere")
        seen = await tools.surroundings(server(credentials=[{"file": "token", "env": "PATH"}]))
        assert seen["environment"]["PATH"] == ENVIRONMENT["PATH"]

    async def test_tenants_have_servers_of_their_own(self, tools: Tools) -> None:
        """I8: the same definition for two tenants is two processes."""
        for tenant in ("acme", "globex", "acme"):
            await tools.surroundings(server(), tenant)
        assert len(set(tools.pids())) == tools.begun() == 2


class TestFailures:
    """A server that dies, hangs or floods is a clear error, and restarted."""

    async def test_death_in_mid_call_is_said_and_mended(self, tools: Tools) -> None:
        """I4: the request had reached the tool, so its effect may stand: said so; the next call finds a new process."""
        mark = tools.folder / "mark"
        failure = await tools.failure(server(), "die", mark=mark.name)
        assert (failure.code, failure.sent) == ("TOOL_SERVER_UNAVAILABLE", True)
        assert mark.read_text() == "done"
        assert await tools.call(server(), "echo", text="here") == "here"
        assert tools.starts == [True, True]

    async def test_kill_in_mid_call_is_said(self, tools: Tools) -> None:
        """I4: killed from outside while it works: the same."""
        await tools.surroundings(server())
        (pid,) = tools.pids()
        mark = tools.folder / "mark"
        call = asyncio.create_task(tools.failure(server(), "work", mark=mark.name))
        await eventually(mark.exists)
        os.kill(pid, signal.SIGKILL)
        failure = await call
        assert (failure.code, failure.sent) == ("TOOL_SERVER_UNAVAILABLE", True)

    async def test_a_frozen_server_is_restarted(self, tools: Tools) -> None:
        """A call that times out on a server that does not answer a ping either ends that server."""
        await tools.surroundings(server())
        (before,) = tools.pids()
        with tools.hurried():
            failure = await tools.failure(server(), "freeze")
        assert (failure.code, failure.sent) == ("TOOL_TIMEOUT", True)
        await tools.surroundings(server())
        (after,) = tools.pids()
        assert after != before

    async def test_a_slow_tool_does_not_cost_the_others_their_server(
        self, tools: Tools, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A call that times out on a server that still answers pings leaves the server running."""
        monkeypatch.setattr(mcp_requests, "PING_TIMEOUT", PATIENCE)
        monkeypatch.setattr(mcp_requests, "_SEND_MARGIN", PATIENCE)
        await tools.surroundings(server())
        with tools.hurried():
            failure = await tools.failure(server(), "dawdle", seconds=600)
        assert failure.code == "TOOL_TIMEOUT"
        await tools.surroundings(server())
        assert tools.begun() == 1

    async def test_megabytes_are_taken_up_to_a_bound(self, tools: Tools) -> None:
        """Three megabytes are an answer (cut later); twenty end the session, and the next call works."""
        assert len(await tools.call(server(), "flood", size=3_000_000)) == 3_000_000
        failure = await tools.failure(server(), "flood", size=20_000_000)
        assert failure.code == "TOOL_SERVER_UNAVAILABLE"
        assert await tools.call(server(), "echo", text="here") == "here"

    async def test_a_chatty_server_does_not_block_itself(self, tools: Tools) -> None:
        """A full stderr and lines on stdout that are no messages stop nothing."""
        assert await tools.call(server(), "chatter", lines=5000) == "said"

    async def test_an_error_of_the_server_is_an_answer(self, tools: Tools) -> None:
        """A tool that it does not know is its answer, not our failure."""
        answer = await tools.servers.call("acme", server(), "no-such-tool", {})
        assert answer.is_error

    async def test_a_server_that_cannot_start_backs_off(self, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program that dies at once is started again only after a pause."""
        # A pause that does not end before the next call, however late that comes.
        for name in ("FIRST_BACKOFF", "LAST_BACKOFF"):
            monkeypatch.setattr(mcp_session, name, PATIENCE)
        failure = await tools.failure(server("dies"), "echo", text="x")
        assert (failure.code, failure.sent) == ("TOOL_SERVER_UNAVAILABLE", False)
        again = await tools.failure(server("dies"), "echo", text="x")
        assert "keeps failing" in again.message
        assert tools.begun() == 1

    async def test_a_server_that_says_nothing_is_given_up(self, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
        """The start has a time-out, and leaves no process."""
        monkeypatch.setattr(mcp_session, "START_TIMEOUT", 1000.0)
        clocks: list[asyncio.Timeout] = []
        timeout = asyncio.timeout

        def kept(seconds: float | None) -> asyncio.Timeout:
            made = timeout(seconds)
            if seconds == mcp_session.START_TIMEOUT:
                clocks.append(made)
            return made

        monkeypatch.setattr(asyncio, "timeout", kept)
        asked = asyncio.create_task(tools.failure(server("silent"), "echo", text="x"))
        # Its time is over once it runs, and not while a busy machine is still about to start it.
        await eventually(lambda: tools.begun() == 1)
        (clock,) = clocks
        clock.reschedule(asyncio.get_running_loop().time())
        assert (await asked).code == "TOOL_SERVER_UNAVAILABLE"
        await eventually(lambda: not tools.pids())

    async def test_a_program_that_is_not_there(self, tools: Tools) -> None:
        """The error says what is wrong, and comes as UNAVAILABLE where tools are listed."""
        with pytest.raises(AmasError, match="not installed"):
            await tools.servers.list_tools("acme", server(command=["no-such-program"]))

    async def test_concurrency_is_bounded(self, tools: Tools) -> None:
        """No more calls at once than the definition allows."""
        definition = server(limits={"timeout": "60s", "concurrency": 2})
        most = await asyncio.gather(*(tools.call(definition, "meet", number=2) for _ in range(6)))
        assert max(int(number) for number in most) == 2

    async def test_a_changed_tool_list_is_seen_at_once(self, tools: Tools) -> None:
        """A server that announces a change is asked again, so that its pin is held against what it offers now."""
        before = {tool.name for tool in await tools.servers.list_tools("acme", server())}
        await tools.call(server(), "grow")

        assert "grown" not in before
        # The announcement arrives by itself, before or after the answer.
        await tools.offers(server(), "grown")


class TestNothingIsLeftBehind:
    """No stray process, however the sidecar ends."""

    async def test_closing_ends_the_whole_group(self, tools: Tools) -> None:
        """A child that the tool server started goes with it."""
        # The databases of the tests are children of ours too.
        others = children()
        await tools.call(server(), "breed")
        family = {process: name for process, name in children().items() if process not in others}
        assert "sleep" in family.values()
        await tools.servers.close()
        for process in family:
            await ends(process.pid)

    async def test_after_closing_nothing_starts(self, tools: Tools) -> None:
        """The drain is over: a late call is refused."""
        await tools.servers.close()
        failure = await tools.failure(server(), "echo", text="x")
        assert not failure.sent

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    async def test_a_killed_sidecar_takes_its_tools_along(
        self, tools: Tools, number: signal.Signals, holder: Callable[[Path], subprocess.Popen[str]]
    ) -> None:
        """Also kill -9, with a tool that is frozen and reads no end of file."""
        process = holder(tools.folder)
        await eventually((tools.folder / "frozen").exists)
        (pid,) = running(SCRIPT.name, within=process.pid)
        assert psutil.pid_exists(pid)
        process.send_signal(number)
        process.wait(timeout=60)
        await ends(pid)


@pytest.fixture
def holder() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Starts another process that holds a session with a frozen tool server."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.session_holder", str(folder), str(SCRIPT)]
        process = subprocess.Popen(command, text=True, cwd=SCRIPT.parents[1])
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(timeout=60)
