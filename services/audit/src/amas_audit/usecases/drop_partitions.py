"""Drop partitions from the database whose archive was read back and fits the signed tree, oldest first.

In this order for each: its files are seen to be on disk, read, and held against the tree that is signed now; the log
says for each tenant that its entries are dropped; then they are. Whatever fails leaves it and all later ones where they
are. Cut off in between, the next run finds the same partition and the same events.
"""

from __future__ import annotations

from amas_chassis.clock import Clock

from amas_audit.domain.archive import CHECKPOINT, Manifest
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.dropping import SOURCE, drop_events
from amas_audit.domain.errors import ArchiveDamagedError, LogDamagedError, NotReadyError
from amas_audit.domain.model import SignedHead, Submission
from amas_audit.domain.signed_note import NoteRefusedError, NoteSigner
from amas_audit.ports import ArchiveFiles, Dropper, EntryOwners, Log, LogReader, Partitions
from amas_audit.usecases.archive_partitions import Tell
from amas_audit.usecases.check_archive import CheckArchive
from amas_audit.usecases.prove_prefix import prefix_root

# Events of one append.
PORTION = 256


class DropPartitions:
    """Makes the log as short as its archive allows."""

    def __init__(
        self,
        reader: LogReader,
        log: Log,
        owners: EntryOwners,
        partitions: Partitions,
        dropper: Dropper,
        files: ArchiveFiles,
        signer: NoteSigner,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._reader = reader
        self._log = log
        self._owners = owners
        self._partitions = partitions
        self._dropper = dropper
        self._files = files
        self._signer = signer
        self._clock = clock
        self._tell = tell

    async def __call__(self, *, days: int, location: str) -> int:
        """Drop what was filled `days` ago or earlier; answers how many entries are in the archive alone then.

        `location` tells readers where the archive is. ArchiveDamagedError, LogDamagedError, NotReadyError, AmasError.
        """
        head = await self._reader.head()
        if head is None:
            return 0
        self._check_signed(head)
        aged = await self._partitions.aged(head.size, days)
        # Asked after them: those that another run has dropped meanwhile are told here.
        past = (await self._partitions.dropped()).past
        for first, end in aged:
            if end <= past:
                continue
            if first != past:
                raise LogDamagedError(f"the oldest partition begins at {first}, and {past} entries were dropped")
            await self._drop(first, end, head, location)
            past = end
        return past

    async def _drop(self, first: int, past: int, head: SignedHead, location: str) -> None:
        root = await self._verified(first, past, head)
        event_id = await self._record(first, past, root, location)
        try:
            await self._dropper.drop(first, past, root=root, location=location, event_id=event_id)
        except NotReadyError:
            # It is gone already where another run was faster, or an answer was lost and it was asked for again.
            if (await self._partitions.dropped()).past < past:
                raise
        self._tell(f"entries {first} to {past - 1} are in the archive alone")

    def _check_signed(self, head: SignedHead) -> None:
        for verifier in self._signer.verifiers:
            try:
                opened = Checkpoint.parse(verifier.open(head.note))
            except (NoteRefusedError, ValueError):
                continue
            if (opened.size, opened.root) == (head.size, head.root):
                return
        raise LogDamagedError(f"the head of {head.size} entries is not signed by the log's key")

    async def _verified(self, first: int, past: int, head: SignedHead) -> bytes:
        """The root of the first `past` entries, to which log and archive lead both."""
        check = CheckArchive(self._files, self._signer)
        manifest = next((one for one in check.manifests() if one.first == first), None)
        if manifest is None:
            raise NotReadyError(f"entries {first} to {past - 1} are not archived: run `archive`, and this again")
        self._files.secure([*manifest.files, Manifest.path(first), CHECKPOINT])
        root = check.partition(manifest)
        if (manifest.past, root) != (past, await prefix_root(self._reader, past, head)):
            raise ArchiveDamagedError(f"{Manifest.path(first)} is not of this log's entries {first} to {past - 1}")
        return root

    async def _record(self, first: int, past: int, root: bytes, location: str) -> str:
        """Say in the log what is about to be dropped; answers the id that the events of all tenants have."""
        owners = await self._owners.tenants(first, past)
        if sum(owners.values()) != past - first:
            raise LogDamagedError(f"the index knows {sum(owners.values())} of the entries {first} to {past - 1}")
        time = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        events = drop_events(owners, first=first, past=past, root=root, location=location, time=time)
        for start in range(0, len(events), PORTION):
            some = events[start : start + PORTION]
            await self._log.append(Submission(some, SOURCE, size=sum(len(event.data) for event in some)))
        return events[0].id
