"""What a tool server over stdio can reach is its jail and nothing else, whatever it tries (I1)."""
# ruff: noqa: S108 - the temporary folders of jails are what is tested

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from amas_chassis.clock import SystemClock
from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.mcp_tools import McpToolServers
from amas_policy_sidecar.adapters.sandbox import host
from amas_policy_sidecar.adapters.sandbox.host import SandboxMode
from amas_policy_sidecar.domain.errors import ToolFailed

from .processes import children, ends, eventually
from .surroundings import surroundings

pytestmark = [pytest.mark.integration, pytest.mark.skipif(sys.platform != "linux", reason="jails are Linux's")]
SCRIPT = Path(__file__).with_name("hostile_server.py")
MIB = 1024 * 1024
SECRET = "swordfish-2718281828"
REFUSED = {"EPERM", "EACCES", "EROFS", "ENOENT", "ESRCH", "EINVAL"}


def hostile(name: str = "hostile", **sandbox: Any) -> ToolServer:
    """A definition of the hostile server with that sandbox."""
    manifest = parse_manifest(
        {
            "apiVersion": "amas.dev/v1alpha1",
            "kind": "ToolServer",
            "metadata": {"name": name},
            "spec": {
                "transport": {"stdio": {"command": [sys.executable, str(SCRIPT)], "sandbox": sandbox}},
                "tools": {"echo": {"effect": "read"}},
                "limits": {"timeout": "5m"},
            },
        }
    )
    assert isinstance(manifest, ToolServer)
    return manifest


class Jail:
    """Tool servers in a working folder beside which there is what they must not see."""

    def __init__(self, folder: Path, mode: SandboxMode = SandboxMode.REQUIRED) -> None:
        self.home = folder
        self.work = folder / "work"
        self.inner = self.work / "inner"
        self.other = self.work / "other"
        self.credentials = folder / "credentials"
        for made in (self.inner, self.other, self.credentials):
            made.mkdir(parents=True)
        self.outside = folder / "outside.txt"
        self.secret = self.credentials / "token"
        for path in (self.outside, self.secret, self.other / "private.txt"):
            path.write_text(SECRET)
        (self.inner / "notes.txt").write_text("notes")
        where = surroundings(self.work, self.credentials, mode)
        self.servers = McpToolServers(where, SystemClock(), lambda _name, _well: None)

    async def ask(self, definition: ToolServer, tool: str, **arguments: Any) -> Any:
        """What the hostile server reports."""
        answer = await self.servers.call("acme", definition, tool, arguments)
        assert not answer.is_error, answer.text
        return json.loads(answer.text)

    async def lives(self, definition: ToolServer) -> bool:
        """Whether a server still answers."""
        return (await self.servers.call("acme", definition, "echo", {"text": "here"})).text == "here"


KINDS = ("another user", "user namespace") if os.geteuid() == 0 else ("user namespace",)


@pytest.fixture(params=KINDS)
async def jail(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Jail]:
    """Both ways to another identity: a user of its own where we are root, and a user namespace for everybody else."""
    if request.param == "user namespace":
        monkeypatch.setattr(host, "_is_root", lambda: False)
    made = Jail(tmp_path)
    yield made
    await made.servers.close()


class TestFolders:
    """Path jail: the folders that were granted, and the way out of them."""

    async def test_nothing_outside_can_be_read(self, jail: Jail) -> None:
        """I1: not the sidecar's folders, credentials or other tools' folders, by no way through /proc or `..`."""
        outside = [jail.outside, jail.secret, jail.other / "private.txt"]
        roots = ("", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../..", "/workspace/inner/../..", "/proc/1/cwd")
        paths = [f"{root}{path}" for root in roots for path in outside]
        paths += ["/workspace/other/private.txt", "/etc/shadow", "/etc/passwd", "/root/.bashrc", "/proc/1/environ"]
        seen = await jail.ask(hostile(readable=["inner"]), "read", paths=[*paths, "inner/notes.txt"])
        assert seen.pop("inner/notes.txt") == "done: notes"
        assert {what for path, what in seen.items() if path != "/proc/1/environ"} <= REFUSED
        assert SECRET not in json.dumps(seen)

    async def test_nothing_but_what_was_granted_can_be_written(self, jail: Jail) -> None:
        """I1: the root, the system, the programs and readable folders are read-only; the granted folder is not."""
        definition = hostile(readable=["."], writable=["inner"])
        places = ["/x", "/usr/x", "/etc/x", "/dev/x", "/workspace/x", "other/x", "/.amas/jail_entry.py", str(SCRIPT)]
        private = f"/tmp/{jail.home.name}"
        seen = await jail.ask(definition, "write", paths=[*places, f"{sys.prefix}/x", "inner/x", private])
        assert (seen.pop("inner/x"), seen.pop(private)) == ("done: 7", "done: 7")
        assert set(seen.values()) <= REFUSED
        made = jail.inner / "x"
        assert (made.read_text(), made.stat().st_uid) == ("hostile", jail.inner.stat().st_uid)
        assert jail.home.name not in os.listdir("/tmp")

    async def test_without_a_grant_there_is_no_folder(self, jail: Jail) -> None:
        """I1: a ToolServer that asks for nothing sees and changes nothing of the working folder."""
        seen = await jail.ask(hostile(), "write", paths=["x", "inner/x"])
        assert set(seen.values()) <= REFUSED
        assert set((await jail.ask(hostile(), "read", paths=["inner/notes.txt"])).values()) <= REFUSED

    async def test_links_lead_nowhere(self, jail: Jail) -> None:
        """I1: a symbolic link is followed inside the jail only, where there is nothing; a hard link cannot be made."""
        seen = await jail.ask(hostile(writable=["inner"]), "through_a_link", target=str(jail.secret), name="inner/way")
        assert seen["read"] in REFUSED
        assert seen["hard"] in REFUSED | {"EXDEV"}

    async def test_a_folder_that_is_a_link_is_not_shown(self, jail: Jail) -> None:
        """I1: no tool has another's jail show a foreign place by planting a link where its folder should be."""
        (jail.work / "planted").symlink_to(jail.credentials)
        with pytest.raises(ToolFailed) as caught:
            await jail.lives(hostile(readable=["planted"]))
        assert not caught.value.sent
        assert str(jail.home) not in caught.value.message

    async def test_secrets_in_the_working_folder_are_not_shown(self, tmp_path: Path) -> None:
        """I1: an operator's mistake, credentials below the working folder, starts nothing."""
        jail = Jail(tmp_path)
        inside = jail.work / "credentials"
        inside.mkdir()
        servers = McpToolServers(surroundings(jail.work, inside), SystemClock(), lambda _name, _well: None)
        with pytest.raises(ToolFailed) as caught:
            await servers.call("acme", hostile(readable=["."]), "echo", {"text": "x"})
        assert caught.value.code == "TOOL_SANDBOX_UNAVAILABLE"
        await servers.close()

    async def test_a_folder_that_was_replaced_is_seen(self, jail: Jail) -> None:
        """A working copy that is made anew under its old name is the one that the next call sees."""
        definition = hostile(readable=["inner"])
        assert await jail.ask(definition, "read", paths=["inner/notes.txt"]) == {"inner/notes.txt": "done: notes"}
        jail.inner.rename(jail.work / "old")
        jail.inner.mkdir()
        (jail.inner / "notes.txt").write_text("new")
        assert await jail.ask(definition, "read", paths=["inner/notes.txt"]) == {"inner/notes.txt": "done: new"}

    async def test_a_folder_that_is_not_there_is_said(self, jail: Jail) -> None:
        """The error names the folder as the ToolServer does, and no path of ours."""
        with pytest.raises(ToolFailed, match="the folder nowhere") as caught:
            await jail.lives(hostile(writable=["nowhere"]))
        assert str(jail.home) not in caught.value.message


class TestIdentity:
    """Who the tool is, and what it can do to others."""

    async def test_a_stranger_without_rights(self, jail: Jail, request: pytest.FixtureRequest) -> None:
        """I1: own user, no capabilities, no new privileges, a filter, own processes, no network device but loopback."""
        seen = await jail.ask(hostile(), "look_around")
        zero = "0000000000000000"
        assert seen["status"] == {"CapEff": zero, "CapPrm": zero, "NoNewPrivs": "1", "Seccomp": "2"}
        assert set(seen["processes"]) <= {1, 2, 3}
        assert seen["descriptors"] == [0, 1, 2]
        assert (seen["core"], seen["interfaces"], seen["killable"]) == ([0, 0], 1, "1000")
        assert seen["host"] == "tool"
        # Of ours there is nothing but the way to the Python environment, if that is where we stand.
        assert {f"/tmp/{name}" for name in seen["tmp"]} <= {str(folder) for folder in Path(sys.prefix).parents}
        assert set(seen["environment"]) - {"LC_CTYPE", "PWD"} == {"PATH", "HOME", "LANG"}
        if "another user" in request.node.name:
            assert seen["user"] != os.getuid()
            assert seen["groups"] in ([], [seen["user"]])

    async def test_no_known_way_out(self, jail: Jail) -> None:
        """I1: mounts, namespaces, tracing, devices, raw sockets and kernel settings are all refused."""
        seen = await jail.ask(hostile(writable=["."]), "break_out")
        assert {name: what for name, what in seen.items() if what not in REFUSED | {"EAFNOSUPPORT"}} == {}

    async def test_no_file_lends_its_owners_rights(self, jail: Jail) -> None:
        """I1: on disk the tool's files are their folder's owner's, so none may be set-user-id, however it is made."""
        seen = await jail.ask(hostile(writable=["."]), "set_user_id")
        assert seen.pop("harmless") == "done: None"
        assert set(seen.values()) == {"EPERM"}
        modes = [path.stat().st_mode for path in jail.work.iterdir()]
        assert not any(mode & (stat.S_ISUID | stat.S_ISGID) for mode in modes)

    async def test_our_processes_are_out_of_reach(self, jail: Jail) -> None:
        """I1: the sidecar, its parent and another tool server have no number in the jail."""
        other = hostile("other")
        assert await jail.lives(other)
        ours = psutil.Process()
        # Where our parent is the machine's first process, its number is the jail's own first process there.
        parents = [ours.ppid()] if ours.ppid() != 1 else []
        pids = [ours.pid, *parents, *(child.pid for child in ours.children(recursive=True))]
        seen = await jail.ask(hostile(), "send_signals", pids=pids)
        assert set(seen.values()) == {"ESRCH"}
        assert await jail.lives(other)


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A socket of each kind on which the sidecar's side of the machine can be spoken to."""
    abstract, path = f"\0amas-test-{os.getpid()}", str(tmp_path / "policy.sock")
    kinds = ((socket.AF_UNIX, abstract), (socket.AF_UNIX, path), (socket.AF_INET, ("127.0.0.1", 0)))
    made = []
    for family, address in kinds:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.bind(address)
        listener.listen()
        made.append(listener)
    yield {"abstract": abstract, "path": path, "tcp": list(made[2].getsockname())}
    for listener in made:
        listener.close()


class TestNetwork:
    """No network unless it was granted."""

    async def test_nobody_can_be_reached(self, jail: Jail, listeners: dict[str, Any]) -> None:
        """I1: not our sockets by path, by abstract name or on loopback, no metadata service, no other host."""
        addresses = [listeners["abstract"], listeners["path"], listeners["tcp"], ["169.254.169.254", 80]]
        seen = await jail.ask(hostile(), "connect", addresses=[*addresses, ["192.0.2.1", 443]])
        assert set(seen) <= {"ECONNREFUSED", "ENOENT", "ENETUNREACH"}

    async def test_a_grant_gives_the_hosts_network(self, jail: Jail, listeners: dict[str, Any]) -> None:
        """What refuses above is the jail: with the network granted, the same address answers; a path still does not."""
        seen = await jail.ask(hostile(network="host"), "connect", addresses=[listeners["tcp"], listeners["path"]])
        assert seen == ["done: connected", "ENOENT"]


class TestBounds:
    """A tool that uses up what it can hurts itself alone."""

    async def test_a_fork_bomb(self, jail: Jail, request: pytest.FixtureRequest) -> None:
        """Processes end at the bound, and both this server and its neighbour live on."""
        if os.geteuid() == 0 and "user namespace" in request.node.name:
            pytest.skip("the kernel bounds everybody's processes but root's")
        definition, other = hostile(processes=20), hostile("other")
        assert await jail.lives(other)
        seen = await jail.ask(definition, "fork_bomb")
        assert (seen["error"], seen["made"] < 20) == ("EAGAIN", True)
        assert await jail.lives(definition)
        assert await jail.lives(other)

    @pytest.mark.parametrize("shared", [False, True])
    async def test_a_memory_bomb(self, jail: Jail, shared: bool) -> None:
        """Memory ends at the bound; what processes share, at the bound of the address space."""
        definition = hostile(memory="128Mi")
        seen = await jail.ask(definition, "memory_bomb", shared=shared)
        assert not seen["won"]
        assert seen["mebibytes"] <= (128 + 4096 if shared else 128)
        assert await jail.lives(definition)

    @pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
    async def test_a_disk_filler(self, jail: Jail, folder: str) -> None:
        """The private temporary folders hold so much and no more, and nothing of it lies on our disk."""
        definition = hostile(temporary="8Mi")
        seen = await jail.ask(definition, "fill", folder=folder, step=MIB)
        assert seen["error"] == "ENOSPC"
        assert seen["written"] <= 8 * MIB
        assert await jail.lives(definition)

    async def test_a_long_file(self, jail: Jail) -> None:
        """One file in the working folder grows to the bound and no further."""
        definition = hostile(writable=["."], fileSize="1Mi")
        seen = (await jail.servers.call("acme", definition, "long_file", {"size": 2 * MIB})).text
        assert seen == "EFBIG"
        assert (jail.work / "long").stat().st_size <= MIB

    async def test_open_files(self, jail: Jail) -> None:
        """Descriptors end at the bound, and the server answers on."""
        definition = hostile(openFiles=32)
        seen = await jail.ask(definition, "open_files")
        assert (seen["error"], seen["opened"] < 32) == ("EMFILE", True)
        assert await jail.lives(definition)

    # A second of CPU, which on a machine with much else to do is minutes.
    @pytest.mark.timeout(600)
    async def test_a_spin(self, jail: Jail) -> None:
        """A program that uses its CPU time up is ended: a clear failure, and the next call finds a new one."""
        definition = hostile(cpu="1s")
        with pytest.raises(ToolFailed) as caught:
            await jail.servers.call("acme", definition, "spin", {})
        assert (caught.value.code, caught.value.sent) == ("TOOL_SERVER_UNAVAILABLE", True)
        assert await jail.lives(definition)

    async def test_a_daemon(self, jail: Jail) -> None:
        """Whatever a tool starts, also in a session of its own and deaf to signals, goes with its session."""
        assert (await jail.servers.call("acme", hostile(), "hide", {})).text == "hidden"

        def hidden() -> list[psutil.Process]:
            return [process for process, name in children().items() if name == "sleep"]

        await eventually(lambda: bool(hidden()))
        family = hidden()
        await jail.servers.close()
        for process in family:
            await ends(process.pid)


class TestWithoutIsolation:
    """A machine that cannot isolate."""

    @pytest.fixture(autouse=True)
    def no_bubblewrap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(host, "_bundled_bwrap", lambda: None)

    async def test_required_starts_nothing(self, tmp_path: Path) -> None:
        """Fail closed: nothing is started, with a reason and a next step."""
        jail = Jail(tmp_path)
        with pytest.raises(ToolFailed, match="AMAS_POLICY_SIDECAR_SANDBOX=best-effort") as caught:
            await jail.lives(hostile())
        assert (caught.value.code, caught.value.sent) == ("TOOL_SANDBOX_UNAVAILABLE", False)
        await jail.servers.close()

    async def test_what_required_lacks_is_logged_early(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """An operator reads it when the sidecar starts, not when the first tool is needed; the sidecar goes on."""
        jail = Jail(tmp_path)
        await jail.servers.look()
        assert "no tool server over stdio can be started" in caplog.text
        assert jail.servers.notes() == {}

    async def test_best_effort_says_what_is_missing(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """The tool runs, bounded but not jailed, and the log says plainly that it is not isolated."""
        jail = Jail(tmp_path, SandboxMode.BEST_EFFORT)
        assert await jail.lives(hostile(openFiles=32))
        assert (await jail.ask(hostile(openFiles=32), "open_files"))["opened"] < 32
        assert "tool servers run without isolation" in caplog.text
        assert jail.servers.notes()["tool servers run without"].startswith("isolation")
        await jail.servers.close()
