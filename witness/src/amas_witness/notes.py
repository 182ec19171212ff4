"""Signed notes, checkpoints and cosignatures: C2SP signed-note, tlog-checkpoint, tlog-cosignature (Ed25519)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# Signature types of the specification.
LOG_TYPE = b"\x01"
COSIGNATURE_TYPE = b"\x04"
KEY_SIZE = 32
ID_SIZE = 4
HASH_SIZE = 32
MARK = "— "
# The specification lets a verifier bound them; it must take 16.
MAX_SIGNATURES = 100
# Digits of 2^63, the largest tree that an index can number.
MAX_SIZE = 1 << 63


class NoteError(ValueError):
    """What was sent is no checkpoint, or no key; the text says why."""


def decode(text: str) -> bytes:
    """Base64 in the one form in which it is written. NoteError for another."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("a line is not base64") from error
    if base64.b64encode(decoded).decode() != text:
        raise NoteError("a line is not base64 as it is written")
    return decoded


def parse_size(text: str) -> int:
    """A tree size: decimal, no leading zeroes. NoteError for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_SIZE)):
        raise NoteError("a tree size is not a number")
    if str(int(text)) != text or int(text) >= MAX_SIZE:
        raise NoteError("a tree size is not a number as it is written")
    return int(text)


@dataclass(frozen=True)
class Checkpoint:
    """A tree head as a log states it, with the text that is signed and the signature lines of its note."""

    origin: str
    size: int
    root: bytes
    body: str
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """The checkpoint in a note; no signature is verified. NoteError if it is none."""
        text, blank, signatures = note.rpartition("\n\n")
        if not blank or not signatures.endswith("\n") or any(ord(char) < 32 and char != "\n" for char in note):
            raise NoteError("the checkpoint is no signed note")
        body = text + "\n"
        lines = body[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise NoteError("the checkpoint has not an origin, a size and a root")
        root = decode(lines[2])
        if len(root) != HASH_SIZE:
            raise NoteError("the checkpoint's root is no hash")
        found = signatures[:-1].split("\n")
        if len(found) > MAX_SIGNATURES:
            raise NoteError("the checkpoint has more signatures than may be")
        return cls(lines[0], parse_size(lines[1]), root, body, tuple(_signature(line) for line in found))

    def signed_by(self, keys: Iterable[LogKey]) -> bool:
        """Whether one of these keys signed it. A signature of one of them that does not fit spoils it."""
        good = False
        for key in keys:
            for name, signature in self.signatures:
                if (name, signature[:ID_SIZE]) == (key.name, key.key_id):
                    if not key.verifies(signature[ID_SIZE:], self.body):
                        return False
                    good = True
        return good


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(MARK).partition(" ")
    if not line.startswith(MARK) or not name or not space:
        raise NoteError("a signature line is malformed")
    signature = decode(encoded)
    if len(signature) <= ID_SIZE:
        raise NoteError("a signature line is malformed")
    return name, signature


def key_id(name: str, typed: bytes) -> bytes:
    """Id of a key of this name (C2SP signed-note, "Signatures")."""
    return hashlib.sha256(name.encode() + b"\n" + typed).digest()[:ID_SIZE]


@dataclass(frozen=True)
class LogKey:
    """A log's public key; its name is the log's origin."""

    name: str
    key_id: bytes
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> LogKey:
        """From `name+id+key`. NoteError for text that is none."""
        parts = text.split("+", 2)
        if len(parts) != 3 or not parts[0] or any(char.isspace() for char in text):
            raise NoteError("a verifier key has the form name+id+key")
        typed = decode(parts[2])
        if typed[:1] != LOG_TYPE or len(typed) != 1 + KEY_SIZE:
            raise NoteError("the verifier key is not an Ed25519 key")
        if parts[1] != key_id(parts[0], typed).hex():
            raise NoteError("the verifier key's id does not fit its name and key")
        return cls(parts[0], key_id(parts[0], typed), typed[1:])

    def verifies(self, signature: bytes, body: str) -> bool:
        """Whether the signature is this key's over the body."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, body.encode())
        except InvalidSignature:
            return False
        return True


class Cosigner:
    """The witness's own key. The private part stays in here."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        if not name or "+" in name or any(char.isspace() for char in name):
            raise NoteError("the witness's name is empty or has a space or a plus sign in it")
        self.name = name
        self._private_key = private_key
        self._typed = COSIGNATURE_TYPE + private_key.public_key().public_bytes_raw()

    @property
    def verifier_key(self) -> str:
        """What verifiers are given: `name+id+key`."""
        return f"{self.name}+{key_id(self.name, self._typed).hex()}+{base64.b64encode(self._typed).decode()}"

    def cosign(self, body: str, at: int) -> str:
        """The signature line: that at this time (seconds since 1970) this is the largest consistent tree seen."""
        signature = self._private_key.sign(f"cosignature/v1\ntime {at}\n{body}".encode())
        typed = key_id(self.name, self._typed) + at.to_bytes(8, "big") + signature
        return f"{MARK}{self.name} {base64.b64encode(typed).decode()}\n"
