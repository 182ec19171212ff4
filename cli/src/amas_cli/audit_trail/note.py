"""Checkpoints as signed notes: C2SP signed-note and tlog-checkpoint, as much of them as verifying needs.

Base64 is taken only in the one form in which it is written: a changed bit that decodes alike would else go unseen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

ED25519 = b"\x01"
KEY_SIZE = 32
ID_SIZE = 4
ROOT_SIZE = 32
DASH = "— "
MAX_NOTE_SIZE = 64 * 1024
MAX_SIGNATURES = 100
"""The specification lets a reader refuse notes with more."""


class KeyRefusedError(ValueError):
    """The text is no verifier key; the message says why."""


class NoteRefusedError(ValueError):
    """The note cannot be trusted; the message says why."""


@dataclass(frozen=True)
class VerifierKey:
    """A public key as it is handed out: `name+id+key`."""

    name: str
    key_id: bytes
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """KeyRefusedError for text that is none."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not parts[0] or any(character.isspace() for character in text.strip()):
            raise KeyRefusedError("a verifier key has the form name+id+key")
        name, key_id, encoded = parts
        try:
            typed = strict_base64(encoded)
        except ValueError as error:
            raise KeyRefusedError("the last part of the verifier key is not base64") from error
        if typed[:1] != ED25519 or len(typed) != 1 + KEY_SIZE:
            raise KeyRefusedError("the verifier key is not an Ed25519 key")
        expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:ID_SIZE]
        if key_id != expected.hex():
            raise KeyRefusedError("the verifier key's id does not fit its name and key: it was changed or cut")
        return cls(name, expected, typed[1:])

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"


@dataclass(frozen=True)
class Checkpoint:
    """A tree head that was signed."""

    origin: str
    size: int
    root: bytes


def read_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The signed text, and name and typed signature of each signature line. NoteRefusedError for what is no note."""
    if len(note) > MAX_NOTE_SIZE:
        raise NoteRefusedError("the checkpoint is longer than any checkpoint is")
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteRefusedError("the checkpoint is no signed note")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteRefusedError("the checkpoint has more signatures than may be")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(DASH).partition(" ")
    try:
        signature = strict_base64(encoded)
    except ValueError as error:
        raise NoteRefusedError("a signature line of the checkpoint is malformed") from error
    if not line.startswith(DASH) or not name or len(signature) <= ID_SIZE:
        raise NoteRefusedError("a signature line of the checkpoint is malformed")
    return name, signature


def strict_base64(text: str) -> bytes:
    """Decodes; ValueError for anything but the one way to write it."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
    if base64.b64encode(decoded).decode() != text:
        raise ValueError("not base64 as it is written")
    return decoded


def parse_checkpoint(body: str) -> Checkpoint:
    """The checkpoint that a signed text states. NoteRefusedError if it states none."""
    lines = body.split("\n")
    if len(lines) < 4:
        raise NoteRefusedError("the checkpoint has not an origin, a size and a root")
    origin, size, root = lines[:3]
    if not size.isascii() or not size.isdigit() or str(int(size[:20])) != size:
        raise NoteRefusedError("the checkpoint's size is no number")
    try:
        decoded = strict_base64(root)
    except ValueError as error:
        raise NoteRefusedError("the checkpoint's root is not base64") from error
    if len(decoded) != ROOT_SIZE:
        raise NoteRefusedError("the checkpoint's root is no hash")
    return Checkpoint(origin, int(size), decoded)
