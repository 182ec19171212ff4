"""Signed notes (C2SP signed-note) with Ed25519: the form in which the log states its head.

The private key stays inside `NoteSigner`; it must never be printed, logged or returned.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# Signature type byte of Ed25519 (C2SP signed-note, "Signature types").
ED25519_TYPE = b"\x01"
KEY_ID_SIZE = 4
SIGNATURE_MARK = "\u2014 "


class NoteRefusedError(ValueError):
    """Text that is no signed note, or one that the key did not sign."""


def check_key_name(name: str) -> None:
    """ValueError unless `name` can name a key: not empty, no space, no plus sign."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise ValueError(f"{name!r} cannot name a key: it is empty or has a space or a plus sign in it")


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes that tell keys of one name apart (C2SP signed-note, "Verifier keys")."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519_TYPE + public_key).digest()[:KEY_ID_SIZE]


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """Verifies notes of one key."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Id of this key within its name."""
        return key_id(self.name, self.public_key)

    def encode(self) -> str:
        """The verifier key as text: `name+hex id+base64 of type and key`."""
        encoded = base64.b64encode(ED25519_TYPE + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def open(self, note: str) -> str:
        """The body of a note, newline at its end included. NoteRefusedError if this key did not sign it."""
        body, separator, signatures = note.rpartition("\n\n")
        if not separator or not signatures.endswith("\n"):
            raise NoteRefusedError("the text is no signed note")
        body += "\n"
        for line in signatures[:-1].split("\n"):
            signature = self._own_signature(line)
            if signature is None:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, body.encode())
            except InvalidSignature as error:
                raise NoteRefusedError(f"the signature of {self.name} does not fit the note") from error
            return body
        raise NoteRefusedError(f"{self.name} has not signed the note")

    def _own_signature(self, line: str) -> bytes | None:
        """The signature on this line if it is by this key."""
        parts = line.removeprefix(SIGNATURE_MARK).split(" ")
        if not line.startswith(SIGNATURE_MARK) or len(parts) != 2:
            raise NoteRefusedError("a signature line is malformed")
        try:
            decoded = base64.b64decode(parts[1], validate=True)
        except binascii.Error as error:
            raise NoteRefusedError("a signature line is malformed") from error
        if parts[0] != self.name or decoded[:KEY_ID_SIZE] != self.key_id:
            return None
        return decoded[KEY_ID_SIZE:]


class Signer(Protocol):
    """Whoever signs the log's heads; its keys may change between two calls, in one event loop and nowhere else."""

    @property
    def verifier(self) -> NoteVerifier:
        """The newest key's."""
        ...

    def sign(self, body: str) -> str:
        """The note for a body, signed by all keys in use."""
        ...


class NoteSigner:
    """Signs notes with one Ed25519 key, or with several while they are changed: the newest comes first."""

    def __init__(self, name: str, newest: Ed25519PrivateKey, *older: Ed25519PrivateKey) -> None:
        check_key_name(name)
        self._private_keys = (newest, *older)
        self.verifiers = tuple(NoteVerifier(name, key.public_key().public_bytes_raw()) for key in self._private_keys)
        self.verifier = self.verifiers[0]

    def sign(self, body: str) -> str:
        """The note for a body, a signature of each key under it. ValueError unless the body ends with a newline."""
        if not body.endswith("\n"):
            raise ValueError("the body of a note ends with a newline")
        lines = []
        for key, verifier in zip(self._private_keys, self.verifiers, strict=True):
            signature = base64.b64encode(verifier.key_id + key.sign(body.encode())).decode()
            lines.append(f"{SIGNATURE_MARK}{verifier.name} {signature}\n")
        return f"{body}\n{''.join(lines)}"
