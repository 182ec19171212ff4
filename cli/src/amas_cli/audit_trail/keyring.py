"""The keys of a log as a reader holds them: one or more, each for the tree sizes that it was in use for.

A checkpoint has no time that could be believed, but a size that only grows: so a key that was retired, and may have
leaked since, is bound to the sizes that it signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .note import ID_SIZE, Checkpoint, KeyRefusedError, NoteRefusedError, VerifierKey, parse_checkpoint, read_note

MAX_SIZE_DIGITS = 19
"""Of a tree size."""


@dataclass(frozen=True)
class KnownKey:
    """A key, and the first and last tree size that it may sign; `last` None: still in use."""

    key: VerifierKey
    first: int = 0
    last: int | None = None

    def covers(self, size: int) -> bool:
        """Whether a tree of this size may be signed by it."""
        return self.first <= size and (self.last is None or size <= self.last)


@dataclass(frozen=True)
class Opened:
    """A checkpoint that was signed, and by which of the known keys."""

    checkpoint: Checkpoint
    signed_by: tuple[VerifierKey, ...]


@dataclass(frozen=True)
class KeyRing:
    """All keys of one log."""

    keys: tuple[KnownKey, ...]

    @property
    def origin(self) -> str:
        """The name of the log, which its keys have too."""
        return self.keys[0].key.name

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """One key a line: `name+id+key [from=SIZE] [until=SIZE]`; empty lines and `#` comments are let be.

        KeyRefusedError, naming the line, for anything else, and for keys of several logs.
        """
        keys: list[KnownKey] = []
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.split("#", 1)[0].split() if line.lstrip().startswith("#") else line.split()
            if not words:
                continue
            try:
                keys.append(_known(words))
            except KeyRefusedError as error:
                raise KeyRefusedError(
                    f"line {number}: {error}" if len(text.splitlines()) > 1 else str(error)
                ) from error
        if not keys:
            raise KeyRefusedError("a verifier key has the form name+id+key")
        if len({known.key.name for known in keys}) > 1:
            raise KeyRefusedError("the keys are of several logs: a log's keys have one name")
        return cls(tuple(keys))

    def holds(self, text: str) -> bool:
        """Whether the verifier key `text` is one of these."""
        return any(str(known.key) == text for known in self.keys)

    def open(self, note: str) -> Opened:
        """The checkpoint in a note. NoteRefusedError unless one of the keys signed it, at a size that it may sign.

        A signature of a known key that does not fit refuses the whole note (C2SP signed-note, "Signatures").
        """
        body, signatures = read_note(note)
        signed_by: list[VerifierKey] = []
        retired: list[str] = []
        checkpoint = parse_checkpoint(body)
        for known in self.keys:
            for name, signature in signatures:
                if (name, signature[:ID_SIZE]) != (known.key.name, known.key.key_id):
                    continue
                _verify(known.key, signature[ID_SIZE:], body)
                if known.covers(checkpoint.size):
                    signed_by.append(known.key)
                else:
                    retired.append(known.key.key_id.hex())
        if not signed_by and retired:
            raise NoteRefusedError(
                f"the checkpoint of {checkpoint.size} entries is signed only by a key that was not in use at that size "
                f"({', '.join(retired)})"
            )
        if not signed_by:
            shown = ", ".join(f"{known.key.name}+{known.key.key_id.hex()}" for known in self.keys)
            raise NoteRefusedError(f"the checkpoint is not signed by the key {shown}")
        return Opened(checkpoint, tuple(dict.fromkeys(signed_by)))


def _known(words: Sequence[str]) -> KnownKey:
    bounds: dict[str, int] = {}
    for word in words[1:]:
        name, _, size = word.partition("=")
        whole = size.isascii() and size.isdigit() and len(size) <= MAX_SIZE_DIGITS
        if name not in ("from", "until") or name in bounds or not whole:
            raise KeyRefusedError(f"{word[:40]!r} is neither from=SIZE nor until=SIZE")
        bounds[name] = int(size)
    known = KnownKey(VerifierKey.parse(words[0]), bounds.get("from", 0), bounds.get("until"))
    if known.last is not None and known.last < known.first:
        raise KeyRefusedError("the key ends before it begins")
    return known


def _verify(key: VerifierKey, signature: bytes, body: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, body.encode())
    except InvalidSignature as error:
        raise NoteRefusedError(
            f"the signature of {key.name} does not fit the checkpoint: it is forged or was changed"
        ) from error
