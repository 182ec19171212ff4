from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from amas_audit.adapters.archive_folder import ArchiveFolder
from amas_audit.adapters.partitions import Partitions
from amas_audit.adapters.postgres_leaves import PostgresLeaves
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.archive import CHECKPOINT, Manifest, digest, leaves_in, resources
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.errors import ArchiveDamagedError, LogDamagedError
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.archive_partitions import ArchivePartitions
from amas_audit.usecases.check_archive import CheckArchive
from amas_cli.app import build
from typer.testing import CliRunner

from ..damages import DAMAGES, flip
from ..logs import LogDatabase, WiredLog, cut, event, open_log, submission

pytestmark = pytest.mark.integration

# Entries of the partitions, and of the log: two are full, and the third is not.
PARTITIONS = (512, 256, 1024)
SIZE = 900


@pytest.fixture
async def wired(pool: Pool, log_database: LogDatabase, signer: NoteSigner) -> WiredLog:
    """A log of three small partitions."""
    await cut(log_database, *PARTITIONS)
    opened = await open_log(pool, signer)
    await _grow(opened, 0, SIZE)
    return opened


async def _grow(wired: WiredLog, start: int, end: int) -> None:
    for first in range(start, end, 150):
        await wired.log.append(submission(*(event(n) for n in range(first, min(first + 150, end)))))


def archiving(wired: WiredLog, pool: Pool, signer: NoteSigner, files: ArchiveFolder) -> ArchivePartitions:
    return ArchivePartitions(wired.reader, PostgresLeaves(pool), Partitions(pool), files, signer, lambda _: None)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _verified(folder: Path, signer: NoteSigner, tmp_path: Path) -> tuple[int, str]:
    """What `amas audit verify` says of the folder: it has the public key and nothing else."""
    key = tmp_path / "key.pub"
    key.write_text(signer.verifier.encode() + "\n")
    done = CliRunner().invoke(build(), ["audit", "verify", "--log", str(folder), "--public-key", str(key)])
    return done.exit_code, done.output


async def test_closed_partitions_become_a_log_of_their_own(
    wired: WiredLog, pool: Pool, signer: NoteSigner, tmp_path: Path
) -> None:
    """The archive is a static C2SP log: who has the public key verifies it offline, from its files alone."""
    folder = tmp_path / "archive"
    verb = archiving(wired, pool, signer, ArchiveFolder(folder))
    assert await verb() == 768
    assert CheckArchive(ArchiveFolder(folder), signer)() == 768
    files = _files(folder)
    expected = {f"tile/{one.path()}" for first, past in ((0, 512), (512, 768)) for one in resources(first, past)}
    assert set(files) == expected | {CHECKPOINT, Manifest.path(0), Manifest.path(512)}
    assert {path for path in expected if ".p/" in path} == {"tile/1/000.p/2", "tile/1/000.p/3"}
    leaves = [json.loads(leaf)["id"] for n in range(3) for leaf in leaves_in(files[f"tile/entries/{n:03}"])]
    assert leaves == [f"event-{n}" for n in range(768)]
    assert Checkpoint.parse(signer.verifier.open(files[CHECKPOINT].decode())).size == 768
    code, said = _verified(folder, signer, tmp_path)
    assert code == 0, said
    assert "768" in said
    assert {oct(path.stat().st_mode & 0o077) for path in folder.rglob("*")} == {"0o0"}


async def test_an_archive_grows_and_what_is_in_it_stays(
    wired: WiredLog, pool: Pool, signer: NoteSigner, tmp_path: Path
) -> None:
    """Another run changes nothing; a partition that was closed since is added, and only the checkpoint is replaced."""
    verb = archiving(wired, pool, signer, ArchiveFolder(tmp_path / "archive"))
    await verb()
    before = _files(tmp_path / "archive")
    assert await verb() == 768
    assert _files(tmp_path / "archive") == before
    await _grow(wired, SIZE, 1800)
    assert await verb() == 1792
    after = _files(tmp_path / "archive")
    assert {path for path, content in before.items() if after[path] != content} == {CHECKPOINT}
    assert CheckArchive(ArchiveFolder(tmp_path / "archive"), signer)() == 1792
    assert _verified(tmp_path / "archive", signer, tmp_path)[0] == 0


TREE = ("tile/entries/001", "tile/0/002", "tile/1/000.p/3", CHECKPOINT)
DAMAGES = pytest.mark.parametrize("damage", list(DAMAGES.values()), ids=list(DAMAGES))


@DAMAGES
@pytest.mark.parametrize("path", TREE)
async def test_damage_to_any_file_of_the_log_is_found(
    wired: WiredLog, pool: Pool, signer: NoteSigner, tmp_path: Path, path: str, damage: Callable[[Path], None]
) -> None:
    """A missing, cut or changed file of each kind is found by us, and by whoever has the public key alone."""
    folder = tmp_path / "archive"
    verb = archiving(wired, pool, signer, ArchiveFolder(folder))
    await verb()
    damage(folder / path)
    with pytest.raises(ArchiveDamagedError, match=path):
        CheckArchive(ArchiveFolder(folder), signer)()
    code, said = _verified(folder, signer, tmp_path)
    assert code != 0, said


@DAMAGES
@pytest.mark.parametrize("first", [0, 512])
async def test_damage_to_a_manifest_is_found(
    wired: WiredLog, pool: Pool, signer: NoteSigner, tmp_path: Path, first: int, damage: Callable[[Path], None]
) -> None:
    """Our own files are checked too; without them the log in the archive is whole all the same."""
    folder = tmp_path / "archive"
    verb = archiving(wired, pool, signer, ArchiveFolder(folder))
    await verb()
    damage(folder / Manifest.path(first))
    with pytest.raises(ArchiveDamagedError):
        CheckArchive(ArchiveFolder(folder), signer)()
    assert _verified(folder, signer, tmp_path)[0] == 0


async def test_a_manifest_that_was_made_up_is_found(
    wired: WiredLog, pool: Pool, signer: NoteSigner, tmp_path: Path
) -> None:
    """Digests can be written anew by whoever changes a file: the tree and the signature cannot."""
    folder = tmp_path / "archive"
    files = ArchiveFolder(folder)
    verb = archiving(wired, pool, signer, files)
    await verb()
    flip(folder / "tile/entries/000")
    manifest = Manifest.decode(files.read(Manifest.path(0)), "")
    renewed = {**manifest.files, "tile/entries/000": digest(files.read("tile/entries/000"))}
    (folder / Manifest.path(0)).write_bytes(replace(manifest, files=renewed).encode())
    with pytest.raises(ArchiveDamagedError, match="tile/entries/000"):
        CheckArchive(ArchiveFolder(folder), signer)()


async def test_what_is_archived_is_never_written_over(
    wired: WiredLog, pool: Pool, signer: NoteSigner, tmp_path: Path
) -> None:
    """A file that is there with other content stops the run: either the archive or the log was changed."""
    folder = tmp_path / "archive"
    (folder / "tile" / "entries").mkdir(parents=True)
    (folder / "tile" / "entries" / "000").write_bytes(b"something else")
    with pytest.raises(ArchiveDamagedError, match="tile/entries/000 is in the archive with other content"):
        await archiving(wired, pool, signer, ArchiveFolder(folder))()
    assert not (folder / CHECKPOINT).exists()


async def test_a_log_that_was_changed_is_not_archived(
    wired: WiredLog, pool: Pool, signer: NoteSigner, tmp_path: Path, log_database: LogDatabase
) -> None:
    """Nothing is signed for the archive that the log has not signed already."""
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute("ALTER TABLE audit.tile DISABLE TRIGGER append_only")
        await owner.execute("UPDATE audit.tile SET root = sha256(root) WHERE level = 0 AND position = 1")
    finally:
        await owner.close()
    with pytest.raises(LogDamagedError, match="are not those of the signed tree"):
        await archiving(wired, pool, signer, ArchiveFolder(tmp_path / "archive"))()
    assert _files(tmp_path / "archive") == {}


class DyingFolder(ArchiveFolder):
    """Writes so many files, and leaves half of the next as `kill -9` would."""

    def __init__(self, root: Path, left: int) -> None:
        super().__init__(root)
        self._left = left
        self._at = root

    def write(self, path: str, content: bytes) -> None:
        if not self._left:
            draft = (self._at / path).with_name(f".{Path(path).name}.tmp")
            draft.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        super().write(path, content)


async def test_a_run_that_was_killed_anywhere_is_finished_by_the_next(
    wired: WiredLog, pool: Pool, signer: NoteSigner, tmp_path: Path
) -> None:
    """Killed at each file in turn: a checkpoint is there only over a whole archive, and the next run makes it whole."""
    recorder = RecordingFolder(tmp_path / "whole")
    await archiving(wired, pool, signer, recorder)()
    expected = _files(tmp_path / "whole")
    assert len(recorder.written) == len(expected)
    for left in range(len(expected)):
        folder = tmp_path / f"killed-{left}"
        assert _killed(DyingFolder(folder, left), recorder.written)
        assert not (folder / CHECKPOINT).exists()
        verb = archiving(wired, pool, signer, ArchiveFolder(folder))
        assert await verb() == 768
        assert {path: content for path, content in _files(folder).items() if "/." not in f"/{path}"} == expected
        assert CheckArchive(ArchiveFolder(folder), signer)() == 768


class RecordingFolder(ArchiveFolder):
    """Remembers what was written, in its order."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.written: list[tuple[str, bytes]] = []

    def write(self, path: str, content: bytes) -> None:
        self.written.append((path, content))
        super().write(path, content)


def _killed(folder: ArchiveFolder, written: list[tuple[str, bytes]]) -> bool:
    """Write the same files in a child, which needs no database for it; answers whether it was killed."""
    child = os.fork()
    if child == 0:
        for path, content in written:
            folder.write(path, content)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
