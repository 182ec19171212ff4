from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from amas_cli.audit_log import FolderSource, LogCheck, LogReport, check_consistency, check_log
from amas_cli.audit_log.report import Part
from amas_cli.audit_trail import KeyRing

from tests.tlogs import LogKey, checkpoint, flip, lay_out, leaf, tamperings

SIZES = (0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 256 * 256 - 1, 256 * 256, 256 * 256 + 1, 256 * 256 + 300)
SIZE = 700


def ring(*keys: LogKey) -> KeyRing:
    return KeyRing.parse("\n".join(key.verifier for key in keys or (LogKey(),)))


def seen(size: int, leaves: list[bytes], key: LogKey | None = None) -> LogCheck:
    keys = ring()
    return LogCheck(keys, last_seen=keys.open(checkpoint(leaves[:size], key or LogKey())))


def check(folder: Path, asked: LogCheck | None = None) -> LogReport:
    return check_log(FolderSource(folder), asked or LogCheck(ring()))


@pytest.fixture(scope="module")
def many() -> list[bytes]:
    return [leaf(number) for number in range(max(SIZES))]


@pytest.fixture
def folder(tmp_path: Path, many: list[bytes]) -> Path:
    return lay_out(tmp_path / "log", many[:SIZE], LogKey())


@pytest.mark.parametrize("size", SIZES)
def test_a_log_of_any_size_is_verified(tmp_path: Path, many: list[bytes], size: int) -> None:
    """The shape of the tree at each size is that of RFC 9162, whatever tile is just full."""
    report = check(lay_out(tmp_path, many[:size], LogKey()))
    assert report.verified, report.findings
    assert (report.size, report.entries, report.runs) == (size, size, min(size, 1))


@pytest.mark.parametrize("name", sorted(tamperings(SIZE)))
def test_every_tampering_is_found(folder: Path, name: str) -> None:
    """I9: whatever is done to a log without its key is found, and nothing that a log holds breaks the check."""
    tamperings(SIZE)[name](folder)
    assert not check(folder).verified


@pytest.mark.parametrize("old", [0, 1, 255, 256, 257, 511, 512, 699, 700])
def test_the_past_that_was_seen_is_held_against_the_log(folder: Path, many: list[bytes], old: int) -> None:
    """A log that goes on is accepted; one with another past, signed by the right key, is not."""
    report = check(folder, seen(old, many))
    assert report.verified, report.findings
    assert report.consistent_with == old
    if old:
        other = [leaf(10**6), *many[1:]]
        assert check(folder, seen(old, other)).failed_parts() == {Part.CONSISTENCY}


def test_a_log_that_was_rolled_back_is_noticed(folder: Path, many: list[bytes]) -> None:
    """Every part of it is genuine: only who remembers notices."""
    report = check(folder, seen(SIZE + 1, many))
    assert report.failed_parts() == {Part.CONSISTENCY}
    assert "rolled back" in report.summary()


@pytest.mark.parametrize(
    ("old", "new"),
    [(1, 2), (255, 256), (256, 257), (300, 700), (512, 700), (65_536, 65_836), (65_535, 65_536), (7, 65_837)],
)
def test_two_checkpoints_are_compared_by_a_few_tiles(tmp_path: Path, many: list[bytes], old: int, new: int) -> None:
    """Consistency costs tiles, not entries, and tells a fork from a log that went on."""
    leaves = [*many, leaf(len(many))][:new]
    log = lay_out(tmp_path, leaves, LogKey())
    shutil.rmtree(log / "tile" / "entries")
    newer = checkpoint(leaves, LogKey())
    report = check_consistency(FolderSource(log), ring(), checkpoint(leaves[:old], LogKey()), newer)
    assert report.verified, report.findings
    forked = [*leaves[: old - 1], leaf(10**6)]
    report = check_consistency(FolderSource(log), ring(), newer, checkpoint(forked, LogKey()))
    assert report.failed_parts() == {Part.CONSISTENCY}
    assert "forked" in report.summary()


def test_two_trees_of_one_size_prove_a_fork_by_themselves(many: list[bytes]) -> None:
    """Two readers who put their checkpoints side by side need no log."""
    ours, theirs = (checkpoint(leaves, LogKey()) for leaves in (many[:5], [*many[:4], leaf(10**6)]))
    assert check_consistency(None, ring(), ours, ours).verified
    report = check_consistency(None, ring(), ours, theirs)
    assert report.failed_parts() == {Part.CONSISTENCY}
    with pytest.raises(ValueError, match="tiles"):
        check_consistency(None, ring(), ours, checkpoint(many[:6], LogKey()))


def test_a_gap_in_a_run_is_found_though_the_tree_holds(tmp_path: Path) -> None:
    """The service never leaves one; an operator who writes a log of his own might."""
    leaves = [leaf(0), leaf(1), leaf(3), leaf(5, run="run-2", sequence=1), b"no event"]
    report = check(lay_out(tmp_path, leaves, LogKey()))
    assert report.failed_parts() == {Part.SEQUENCE}
    assert [finding.message.split(" of its run")[0] for finding in report.findings] == [
        "entry 2 is event 4",
        "entry 4 is no event",
    ]


def test_full_parts_stand_in_for_partial_ones(folder: Path, tmp_path: Path, many: list[bytes]) -> None:
    """A log may drop a partial tile once it is full (C2SP tlog-tiles)."""
    later = lay_out(tmp_path / "later", many[:1024], LogKey())
    (later / "checkpoint").write_text((folder / "checkpoint").read_text())
    shutil.copytree(folder / "tile" / "1", later / "tile" / "1", dirs_exist_ok=True)
    report = check(later)
    assert report.verified, report.findings
    assert report.size == SIZE


def test_without_entries_the_tree_is_still_checked(folder: Path) -> None:
    """Whoever may not read entries can follow the log."""
    shutil.rmtree(folder / "tile" / "entries")
    report = check(folder, LogCheck(ring(), tree_only=True))
    assert report.verified, report.findings
    assert report.entries is None
    flip("tile/0/001")(folder)
    assert not check(folder, LogCheck(ring(), tree_only=True)).verified
