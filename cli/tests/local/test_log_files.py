from pathlib import Path

import pytest
from amas_cli.local import log_files


def test_a_log_is_bounded_and_its_writer_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that writes for ever fills no disk, and needs not be told."""
    monkeypatch.setattr(log_files, "LOG_LIMIT_BYTES", 10)
    log = tmp_path / "audit.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"0123456789")
        assert log_files.rotate(log)
        writer.write(b"next\n")
        assert not log_files.rotate(log)
    assert log.read_bytes() == b"next\n"
    assert (tmp_path / "audit.log.1").read_bytes() == b"0123456789"


def test_the_tail_is_for_people(tmp_path: Path) -> None:
    """JSON entries become their words; other lines stay; blank ones go."""
    log = tmp_path / "audit.log"
    entry = '{"level": "error", "message": "cannot start", "exception": "Traceback\\n  File\\nOSError: no space left"}'
    log.write_text(f"first\n\nplain words\n{entry}\n")
    assert log_files.tail(log, 3) == ("plain words", "error: cannot start", "OSError: no space left")
    assert log_files.tail(tmp_path / "absent.log", 3) == ()


def test_a_new_start_begins_new_logs(tmp_path: Path) -> None:
    """What is shown of a failed start is of that start; the supervisor's own log goes on."""
    for name in ("audit", "supervisor"):
        (tmp_path / f"{name}.log").write_text(name)
    log_files.put_aside(tmp_path, keep="supervisor")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.log.1", "supervisor.log"]
