"""Archive closed partitions: write them as a static log, read them back, and only then say that they are archived.

It may be killed at any moment and run again. What is archived stays in the database until it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from amas_audit.domain.archive import CHECKPOINT, Manifest, check_tree, digest, resources
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.errors import ArchiveDamagedError, LogDamagedError
from amas_audit.domain.model import DroppedEntries, SignedHead
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.domain.tlog_paths import Resource, bundle
from amas_audit.ports import ArchiveFiles, LeafReader, LogReader, Partitions
from amas_audit.usecases.check_archive import CheckArchive
from amas_audit.usecases.prove_prefix import prefix_root

Tell = Callable[[str], None]


class ArchivePartitions:
    """Brings an archive up to the last closed partition."""

    def __init__(
        self,
        reader: LogReader,
        leaves: LeafReader,
        partitions: Partitions,
        files: ArchiveFiles,
        signer: NoteSigner,
        tell: Tell,
    ) -> None:
        self._reader = reader
        self._leaves = leaves
        self._partitions = partitions
        self._files = files
        self._signer = signer
        self._tell = tell

    async def __call__(self) -> int:
        """Archive what is closed and not archived yet; answers how many entries the archive has then.

        ArchiveDamagedError if what is there does not fit, LogDamagedError if the log does not; AmasError.
        """
        head = await self._reader.head()
        closed = await self._partitions.closed(head.size if head else 0)
        # Asked after them: those that were dropped meanwhile are told here.
        dropped = await self._partitions.dropped()
        newest = self._newest_dropped(dropped)
        for first, past in closed:
            if past <= dropped.past:
                continue
            if first != (newest.past if newest else 0):
                raise LogDamagedError(f"the partition that begins at {first} does not follow what is before it")
            path = Manifest.path(first)
            if self._files.has(path):
                newest = Manifest.decode(self._files.read(path), path)
            elif head is not None:
                newest = await self._archive(first, past, head)
        if newest is None:
            return 0
        # Also after a run that was killed between the manifest and this.
        self._files.write(CHECKPOINT, newest.checkpoint.encode())
        self._files.sync()
        return newest.past

    def _newest_dropped(self, dropped: DroppedEntries) -> Manifest | None:
        """The manifest of the newest entries that are here alone. ArchiveDamagedError if they are not."""
        newest: Manifest | None = None
        for manifest in CheckArchive(self._files, self._signer).manifests():
            if manifest.past > dropped.past:
                break
            newest = manifest
        if (newest.past if newest else 0) != dropped.past:
            raise ArchiveDamagedError(
                f"entries 0 to {dropped.past - 1} were dropped and are not in this archive: use {dropped.location}"
            )
        return newest

    async def _archive(self, first: int, past: int, head: SignedHead) -> Manifest:
        root = await prefix_root(self._reader, past, head)
        files: dict[str, str] = {}
        for resource in resources(first, past):
            content = await self._content(resource)
            path = f"tile/{resource.path()}"
            self._files.write(path, content)
            files[path] = digest(content)
        self._files.sync()
        # Read back from where it was written: only what is there, and fits, counts as archived.
        check_tree(self._files.read, first, past, root)
        origin = self._signer.verifier.name
        note = self._signer.sign(Checkpoint(origin, past, root).body())
        manifest = Manifest(origin, first, past, note, files)
        self._files.write(Manifest.path(first), manifest.encode())
        self._files.sync()
        self._tell(f"entries {first} to {past - 1} are archived in {len(files)} files")
        return manifest

    async def _content(self, resource: Resource) -> bytes:
        if resource.level is None:
            try:
                return bundle(await self._leaves.leaves(resource.start, resource.start + resource.width))
            except ValueError as error:
                raise ArchiveDamagedError(f"the bundle at {resource.start} cannot be archived: {error}") from error
        tile = (resource.level, resource.position)
        hashes = (await self._reader.tiles([tile]))[tile]
        return b"".join(hashes[: resource.width])
