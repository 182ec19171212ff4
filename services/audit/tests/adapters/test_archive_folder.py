"""Who writes to an archive's folder is alone, and learns at once that it cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from amas_audit.adapters.archive_folder import ArchiveFolder
from amas_audit.domain.errors import NotReadyError

HOLD = """
import sys
from pathlib import Path
from amas_audit.adapters.archive_folder import ArchiveFolder
with ArchiveFolder(Path(sys.argv[1])).alone():
    print("alone", flush=True)
    sys.stdin.read()
"""


def test_two_do_not_archive_at_once(tmp_path: Path) -> None:
    """A job by hand beside one of the schedule ends with a sentence; one that was killed is in nobody's way."""
    folder = tmp_path / "archive"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "alone\n"
        with (
            pytest.raises(NotReadyError, match=r"another process archives to .*/archive: let it end"),
            ArchiveFolder(folder).alone(),
        ):
            pass
        other.kill()
    with ArchiveFolder(folder).alone():
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """Before anything is written, and with what to do."""
    (tmp_path / "volume").write_text("no folder")
    with (
        pytest.raises(NotReadyError, match=r"cannot be used: .+: it must be on a volume"),
        ArchiveFolder(tmp_path / "volume" / "log").alone(),
    ):
        pass
