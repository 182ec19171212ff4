"""Archive closed partitions: write them as a static log, read them back, and only then say that they are archived.

It may be killed at any moment and run again. What is archived stays in the database too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from amas_audit.domain.archive import CHECKPOINT, Manifest, check_tree, digest, resources
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.errors import ArchiveDamagedError, LogDamagedError
from amas_audit.domain.merkle import consistency_ranges, nodes_of, range_root, verify_consistency
from amas_audit.domain.model import SignedHead
from amas_audit.domain.signed_note import NoteRefusedError, NoteSigner
from amas_audit.domain.tiles import node_in, tiles_of
from amas_audit.domain.tlog_paths import Resource, bundle
from amas_audit.ports import ArchiveFiles, LeafReader, LogReader, Partitions

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
        newest: Manifest | None = None
        for first, past in await self._partitions.closed(head.size if head else 0):
            if newest is None and first:
                raise LogDamagedError(f"the first partition begins at {first}, not at the first entry")
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

    def check(self) -> int:
        """Read all of the archive, and see that it fits itself and was signed; answers how many entries it has."""
        size = 0
        for manifest in self._manifests():
            for path, expected in manifest.files.items():
                if digest(self._files.read(path)) != expected:
                    raise ArchiveDamagedError(f"{path} is not what was archived")
            missing = {f"tile/{one.path()}" for one in resources(manifest.first, manifest.past)} - set(manifest.files)
            if missing or manifest.first != size:
                raise ArchiveDamagedError(f"{Manifest.path(manifest.first)} does not name all files of its entries")
            check_tree(self._files.read, manifest.first, manifest.past, self._opened(manifest).root)
            size = manifest.past
        if self._opened_note(self._files.read(CHECKPOINT).decode(errors="replace")).size != size:
            raise ArchiveDamagedError(f"the checkpoint is not that of {size} entries, which the manifests name")
        return size

    def _manifests(self) -> Iterator[Manifest]:
        first = 0
        while self._files.has(path := Manifest.path(first)):
            manifest = Manifest.decode(self._files.read(path), path)
            if manifest.past <= first:
                raise ArchiveDamagedError(f"{path} is of no entries")
            yield manifest
            first = manifest.past

    async def _archive(self, first: int, past: int, head: SignedHead) -> Manifest:
        root = await self._root(past, head)
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

    async def _root(self, past: int, head: SignedHead) -> bytes:
        """The root of the first `past` entries. It is signed only if the signed head is over these very entries."""
        ranges = [[(0, past)], consistency_ranges(past, head.size)]
        tiles = await self._reader.tiles(tiles_of(node for wanted in ranges for node in nodes_of(wanted)))

        def roots(wanted: list[tuple[int, int]]) -> list[bytes]:
            return [range_root(start, end, lambda level, at: node_in(tiles, level, at)) for start, end in wanted]

        root, proof = roots(ranges[0])[0], roots(ranges[1])
        if not verify_consistency(past, head.size, root, head.root, proof):
            raise LogDamagedError(f"the first {past} entries are not those of the signed tree of {head.size}")
        return root

    def _opened(self, manifest: Manifest) -> Checkpoint:
        opened = self._opened_note(manifest.checkpoint)
        if opened.size != manifest.past:
            raise ArchiveDamagedError(f"the checkpoint of {Manifest.path(manifest.first)} is of another size")
        return opened

    def _opened_note(self, note: str) -> Checkpoint:
        problem: Exception | None = None
        for verifier in self._signer.verifiers:
            try:
                return Checkpoint.parse(verifier.open(note))
            except (NoteRefusedError, ValueError) as error:
                problem = error
        raise ArchiveDamagedError(f"a checkpoint of the archive is not signed by the log: {problem}") from problem
