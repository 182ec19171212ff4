import os
import subprocess
import sys
from pathlib import Path

from amas_cli.local.lock import Holder, SupervisorLock, holder

HOLD = """
import sys
from pathlib import Path
from amas_cli.local.lock import SupervisorLock
lock = SupervisorLock(Path(sys.argv[1]))
assert lock.acquire() is None
print("held", flush=True)
sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """Another process that has the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)


def test_the_second_learns_who_was_first(tmp_path: Path) -> None:
    """Two `amas up` at once: one of them starts, the other says which process runs."""
    other = hold(tmp_path / "lock")
    try:
        assert SupervisorLock(tmp_path / "lock").acquire() == Holder(other.pid)
        assert holder(tmp_path / "lock") == Holder(other.pid)
    finally:
        finish(other)


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    """A supervisor that was killed leaves no stale lock."""
    other = hold(tmp_path / "lock")
    other.kill()
    finish(other)
    lock = SupervisorLock(tmp_path / "lock")
    assert lock.acquire() is None
    assert holder(tmp_path / "lock") == Holder(os.getpid())
    lock.release()
    lock.release()
    assert holder(tmp_path / "lock") is None


def test_nobody_holds_a_lock_that_was_never_made(tmp_path: Path) -> None:
    """`amas down` before the first `amas up` is no error."""
    assert holder(tmp_path / "lock") is None


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    """A part that outlived the supervisor would otherwise block the next start."""
    lock = SupervisorLock(tmp_path / "lock")
    assert lock.acquire() is None
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        lock.release()
        assert holder(tmp_path / "lock") is None
    finally:
        child.communicate(timeout=60)
