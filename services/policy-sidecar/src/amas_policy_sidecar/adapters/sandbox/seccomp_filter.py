"""The system call filter of a jail: what no tool needs, and what past ways out of namespaces went through.

A list of what is refused, not of what is allowed: tool servers are written in any language, and an allow list breaks
with the next C library. It is the last of several walls, never the only one.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import tempfile
from types import ModuleType
from typing import Any

_log = logging.getLogger(__name__)

_REFUSED = (
    # Other processes.
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"),
    # Mounts and namespaces: what a jail is made of.
    *("mount", "umount", "umount2", "pivot_root", "chroot", "setns", "unshare", "move_mount", "open_tree", "fsopen"),
    *("fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at", "open_by_handle_at"),
    # The kernel itself, its keys, its instruments, its clock.
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff"),
    *("acct", "quotactl", "quotactl_fd", "syslog", "bpf", "perf_event_open", "lookup_dcookie", "fanotify_init"),
    *("add_key", "keyctl", "request_key", "userfaultfd", "iopl", "ioperm", "modify_ldt", "vm86", "vm86old"),
    *("settimeofday", "stime", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "vhangup"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "mbind", "migrate_pages", "move_pages", "personality"),
)
# A file with one of these bits would be run by others with the rights of its owner, who on disk is the working
# folder's. By call: the places of its mode and, where it has any, of its flags.
_SET_ID_BITS = (stat.S_ISUID, stat.S_ISGID)
# By number, the same everywhere: libseccomp 2.5 of Debian 12 does not know its name, newer kernels know the call.
_FCHMODAT2 = 452
_SETS_MODE: dict[str | int, int] = {
    "chmod": 1,
    "fchmod": 1,
    "fchmodat": 2,
    _FCHMODAT2: 2,
    "creat": 1,
    "mknod": 1,
    "mknodat": 2,
}
_CREATES = {"open": (2, 1), "openat": (3, 2)}
# O_TMPFILE's own bit, from <asm-generic/fcntl.h>.
_O_TMPFILE = 0o20000000
# From <linux/sched.h>.
_CLONE_NEWUSER = 0x1000_0000
# From <asm/ioctls.h>: pushing characters into a terminal's input.
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
_MOST_FAMILIES = 64


def compiled_filter() -> bytes | None:
    """The filter as BPF for this machine, or None where libseccomp is not installed."""
    library = _library()
    if library is None:
        return None
    made = library.SyscallFilter(library.ALLOW)
    refuse = library.ERRNO(errno.EPERM)
    for name in _REFUSED:
        _add(made, refuse, name)
    # What these ask for lies in memory, where no filter looks; C libraries go back to clone and openat.
    for name in ("clone3", "openat2"):
        _add(made, library.ERRNO(errno.ENOSYS), name)
    _refuse_set_id(library, made, refuse)
    masked = library.Arg(0, library.MASKED_EQ, _CLONE_NEWUSER, _CLONE_NEWUSER)
    made.add_rule(refuse, "clone", masked)
    for request in (_TIOCSTI, _TIOCLINUX):
        made.add_rule(refuse, "ioctl", library.Arg(1, library.MASKED_EQ, 0xFFFF_FFFF, request))
    for family in range(_MOST_FAMILIES):
        if family not in _FAMILIES:
            made.add_rule(library.ERRNO(errno.EAFNOSUPPORT), "socket", library.Arg(0, library.EQ, family))
    made.add_rule(library.ERRNO(errno.EAFNOSUPPORT), "socket", library.Arg(0, library.GE, _MOST_FAMILIES))
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()


def _refuse_set_id(library: ModuleType, made: Any, refuse: int) -> None:
    """No file may be made or changed so that it runs with its owner's or group's rights."""
    for bit in _SET_ID_BITS:
        for name, mode in _SETS_MODE.items():
            _add(made, refuse, name, library.Arg(mode, library.MASKED_EQ, bit, bit))
        for name, (mode, flags) in _CREATES.items():
            for creates in (os.O_CREAT, _O_TMPFILE):
                # Without these flags the mode is whatever lies there.
                asked = library.Arg(flags, library.MASKED_EQ, creates, creates)
                _add(made, refuse, name, asked, library.Arg(mode, library.MASKED_EQ, bit, bit))


def _library() -> ModuleType | None:
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError):
        return None
    module: ModuleType = pyseccomp
    return module


def _add(made: Any, action: int, name: str | int, *arguments: Any) -> None:
    try:
        made.add_rule(action, name, *arguments)
    except (OSError, ValueError):
        # A call that this architecture or this libseccomp does not know.
        _log.debug("the system call %s is not known here", name)
