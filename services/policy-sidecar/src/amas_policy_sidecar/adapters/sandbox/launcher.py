"""Starts a tool server's program in its jail, so that it cannot outlive the sidecar.

Run as a script by `python -I -S` with nothing but the standard library, in the child: `launcher.py PARENT_PID SPEC_FD`.
The spec comes through a descriptor and goes on to bubblewrap through another, since arguments are for everybody on the
machine to read. It must never import anything of ours, nor follow a link inside the working folder.
"""

import base64
import contextlib
import ctypes
import json
import os
import signal
import stat
import struct
import sys
from typing import Any

# From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
# From <linux/sched.h> and <linux/mount.h>.
CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
MS_REC, MS_PRIVATE = 0x4000, 0x4_0000
MS_NOSUID_NODEV = 0x2 | 0x4
OPEN_TREE_CLONE = 1
AT_EMPTY_PATH = 0x1000
MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40
MOUNT_ATTR_IDMAP = 0x0010_0000
# System calls that have the same number on every architecture.
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442

# Of all processes of the machine a tool's is the first that the kernel ends when memory runs out.
MOST_KILLABLE = "1000"

EXIT_NO_SANDBOX = 125
EXIT_CANNOT_START = 127

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC if sys.platform == "linux" else 0


class NoSandbox(Exception):  # noqa: N818 - says what happened
    """The jail cannot be built; the message names no path."""


def main() -> None:
    parent, descriptor = int(sys.argv[1]), int(sys.argv[2])
    if sys.platform == "linux":
        _tie_to(parent)
    with os.fdopen(descriptor, "rb") as file:
        spec = json.load(file)
    try:
        if spec["bwrap"] is None:
            os.execve(spec["entry"][0], spec["entry"], spec["environment"])  # noqa: S606 - no shell is wanted
        _enter_jail(spec)
    except NoSandbox as problem:
        print(f"no sandbox: {problem}", file=sys.stderr)
    except OSError as error:
        print(f"no sandbox: {error.strerror}", file=sys.stderr)
    sys.exit(EXIT_NO_SANDBOX)


def _tie_to(parent: int) -> None:
    """SIGKILL for us when the sidecar dies in whatever way, kill -9 included; and no way to gain rights."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit(EXIT_CANNOT_START)
    # The sidecar may have died before the signal was armed.
    if os.getppid() != parent:
        sys.exit(EXIT_CANNOT_START)
    # Where that is hidden, the tool is just as killable as we are.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(MOST_KILLABLE)


def _enter_jail(spec: dict[str, Any]) -> None:
    """Replace ourselves by bubblewrap."""
    sources = _own_folders(spec) if spec["uid"] is not None else _folders(spec)
    options = list(spec["before"])
    for source, folder in zip(sources, spec["folders"], strict=True):
        options += ["--bind-fd" if folder["write"] else "--ro-bind-fd", str(source), folder["at"]]
    if spec["seccomp"]:
        options += ["--seccomp", str(_memory(base64.b64decode(spec["seccomp"])))]
    for name, value in spec["environment"].items():
        options += ["--setenv", name, value]
    options += spec["after"]
    packed = _memory(b"".join(os.fsencode(option) + b"\0" for option in options))
    os.execve(spec["bwrap"], [spec["bwrap"], "--args", str(packed), "--", *spec["entry"]], {})  # noqa: S606


def _folders(spec: dict[str, Any]) -> list[int]:
    """Descriptors of the folders to show, that bubblewrap inherits."""
    sources = [_open_below(spec["workdir"], folder["path"]) for folder in spec["folders"]]
    for source in sources:
        os.set_inheritable(source, True)
    return sources


def _open_below(root: str, path: str) -> int:
    """The folder at a relative path, each part opened by itself without following links."""
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in path.split("/") if path != "." else ():
        try:
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
        except OSError as error:
            message = f"the folder {path} is not there, or is no folder"
            raise NoSandbox(message) from error
        os.close(descriptor)
        descriptor = inner
    return descriptor


def _own_folders(spec: dict[str, Any]) -> list[int]:
    """The same, owned by the tool's user as long as they are seen through these mounts (ID-mapped mounts).

    They are put on a file system of our own over the working folder, in a mount namespace of our own, so that nobody
    can change the way to them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(CLONE_NEWNS), "it has no right to a mount namespace")
    _check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mounts cannot be made private")
    trees = []
    for folder in spec["folders"]:
        source = _open_below(spec["workdir"], folder["path"])
        tree = libc.syscall(SYS_OPEN_TREE, source, b"", OPEN_TREE_CLONE | AT_EMPTY_PATH | os.O_CLOEXEC)
        _check(tree, "a folder cannot be cloned")
        _map_owner(libc, tree, os.fstat(source), spec["uid"])
        trees.append(tree)
    place = os.fsencode(spec["workdir"])
    _check(libc.mount(b"tmpfs", place, b"tmpfs", MS_NOSUID_NODEV, b"size=64k,mode=0755"), "tmpfs cannot be mounted")
    sources = []
    for number, tree in enumerate(trees):
        name = os.path.join(spec["workdir"], str(number))
        os.mkdir(name)
        target = os.open(name, _FOLDER)
        flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
        _check(libc.syscall(SYS_MOVE_MOUNT, tree, b"", target, b"", flags), "a folder cannot be mounted")
        source = os.open(name, _FOLDER)
        os.set_inheritable(source, True)
        sources.append(source)
    return sources


def _map_owner(libc: ctypes.CDLL, tree: int, owner: os.stat_result, uid: int) -> None:
    """Show what the folder's owner owns as owned by `uid`, and keep what `uid` makes as the owner's."""
    if not stat.S_ISDIR(owner.st_mode):
        raise NoSandbox("what should be a folder is none")
    namespace = _user_namespace(libc, (owner.st_uid, uid), (owner.st_gid, uid))
    attributes = struct.pack("QQQQ", MOUNT_ATTR_IDMAP, 0, 0, namespace)
    done = libc.syscall(SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, attributes, len(attributes))
    _check(done, "the file system of the working folder knows no ID-mapped mounts")


def _user_namespace(libc: ctypes.CDLL, user: tuple[int, int], group: tuple[int, int]) -> int:
    """A descriptor of a user namespace with one user and one group: (inside, outside)."""
    ready_reader, ready_writer = os.pipe()
    done_reader, done_writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(done_writer)
        worked = libc.unshare(CLONE_NEWUSER) == 0
        os.write(ready_writer, b"y" if worked else b"n")
        os.read(done_reader, 1)
        os._exit(0)
    try:
        if os.read(ready_reader, 1) != b"y":
            raise NoSandbox("it has no right to a user namespace")
        for name, (inside, outside) in (("uid_map", user), ("gid_map", group)):
            with open(f"/proc/{child}/{name}", "w") as file:
                file.write(f"{inside} {outside} 1\n")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(done_writer)
        os.waitpid(child, 0)
        for descriptor in (ready_reader, ready_writer, done_reader):
            os.close(descriptor)


def _memory(content: bytes) -> int:
    """A descriptor with that content, which bubblewrap inherits."""
    descriptor = os.memfd_create("amas", 0)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _check(result: int, problem: str) -> None:
    if result < 0:
        raise NoSandbox(f"{problem} ({os.strerror(ctypes.get_errno())})")


if __name__ == "__main__":
    main()
