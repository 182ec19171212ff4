from __future__ import annotations

from pathlib import Path

import pytest
from amas_cli.audit_trail import new_export


def test_an_export_that_breaks_off_leaves_the_old_one(tmp_path: Path) -> None:
    """A name never stands for half a document."""
    target = tmp_path / "run.jsonl"
    with new_export(target) as file:
        file.write(b"whole")

    with pytest.raises(ConnectionResetError):
        break_off(target)
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


def break_off(target: Path) -> None:
    """A stream that ends in the middle."""
    with new_export(target) as file:
        file.write(b"ha")
        raise ConnectionResetError
