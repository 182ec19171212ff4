"""See that an archive fits itself and was signed, partition by partition, from its files alone."""

from __future__ import annotations

from collections.abc import Iterator

from amas_audit.domain.archive import CHECKPOINT, Manifest, check_tree, digest, resources
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.errors import ArchiveDamagedError
from amas_audit.domain.signed_note import NoteRefusedError, NoteSigner
from amas_audit.ports import ArchiveFiles


class CheckArchive:
    """Everything raises ArchiveDamagedError that names the first file which does not fit."""

    def __init__(self, files: ArchiveFiles, signer: NoteSigner) -> None:
        self._files = files
        self._signer = signer

    def __call__(self) -> int:
        """Read all of it; answers how many entries it has."""
        size = 0
        for manifest in self.manifests():
            self.partition(manifest)
            size = manifest.past
        if self._opened(self._files.read(CHECKPOINT).decode(errors="replace")).size != size:
            raise ArchiveDamagedError(f"the checkpoint is not that of {size} entries, which the manifests name")
        return size

    def manifests(self) -> Iterator[Manifest]:
        """The manifests from the first entry on, without a gap."""
        first = 0
        while self._files.has(path := Manifest.path(first)):
            manifest = Manifest.decode(self._files.read(path), path)
            if manifest.first != first or manifest.past <= first:
                raise ArchiveDamagedError(f"{path} is of no entries, or of others than its name says")
            yield manifest
            first = manifest.past

    def partition(self, manifest: Manifest) -> bytes:
        """Read all files of a partition; answers the root of the tree that ends with it, which was signed."""
        for path, expected in manifest.files.items():
            if digest(self._files.read(path)) != expected:
                raise ArchiveDamagedError(f"{path} is not what was archived")
        missing = {f"tile/{one.path()}" for one in resources(manifest.first, manifest.past)} - set(manifest.files)
        if missing:
            raise ArchiveDamagedError(f"{Manifest.path(manifest.first)} does not name all files of its entries")
        opened = self._opened(manifest.checkpoint)
        if opened.size != manifest.past:
            raise ArchiveDamagedError(f"the checkpoint of {Manifest.path(manifest.first)} is of another size")
        check_tree(self._files.read, manifest.first, manifest.past, opened.root)
        return opened.root

    def _opened(self, note: str) -> Checkpoint:
        problem: Exception | None = None
        for verifier in self._signer.verifiers:
            try:
                return Checkpoint.parse(verifier.open(note))
            except (NoteRefusedError, ValueError) as error:
                problem = error
        raise ArchiveDamagedError(f"a checkpoint of the archive is not signed by the log: {problem}") from problem
