"""The system call filter of a jail: what no tool needs, and what past ways out of namespaces went through.

A list of what is refused, not of what is allowed: tool servers are written in any language, and an allow list breaks
with the next C library. It is the last of several walls, never the only one.
"""

from __future__ import annotations

import errno
import logging
import socket
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
    # Flags of clone3 lie in memory, where no filter looks; the C library goes back to clone.
    _add(made, library.ERRNO(errno.ENOSYS), "clone3")
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


def _library() -> ModuleType | None:
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError):
        return None
    module: ModuleType = pyseccomp
    return module


def _add(made: Any, action: int, name: str) -> None:
    try:
        made.add_rule(action, name)
    except (OSError, ValueError):
        # A call that this architecture or this libseccomp does not know.
        _log.debug("the system call %s is not known here", name)
