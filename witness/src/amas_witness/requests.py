"""The body of an add-checkpoint request (C2SP tlog-witness)."""

from __future__ import annotations

from dataclasses import dataclass

from .notes import HASH_SIZE, Checkpoint, NoteError, decode, parse_size

MAX_PROOF_LINES = 63


@dataclass(frozen=True)
class AddCheckpoint:
    """A checkpoint, the size that it is said to continue, and the proof."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """NoteError, with a sentence, for a body that is none."""
        try:
            head, blank, note = body.decode().partition("\n\n")
        except UnicodeDecodeError as error:
            raise NoteError("the request is not UTF-8") from error
        old, *proof = head.split("\n")
        if not blank or not old.startswith("old "):
            raise NoteError("the request does not begin with `old SIZE`, a proof and an empty line")
        if len(proof) > MAX_PROOF_LINES:
            raise NoteError(f"the proof has more than {MAX_PROOF_LINES} lines")
        hashes = tuple(decode(line) for line in proof)
        if any(len(hashed) != HASH_SIZE for hashed in hashes):
            raise NoteError("a line of the proof is no hash")
        asked = cls(parse_size(old.removeprefix("old ")), hashes, Checkpoint.parse(note), note)
        if asked.old > asked.checkpoint.size:
            raise NoteError("the old size is larger than the checkpoint's")
        if asked.proof and asked.old in (0, asked.checkpoint.size):
            raise NoteError("there is a proof where nothing is to be proven")
        return asked
