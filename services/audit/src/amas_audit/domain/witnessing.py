"""Witnesses of the log: their keys (C2SP tlog-cosignature), what they are asked and may answer (C2SP tlog-witness)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from amas_audit.domain.signed_note import KEY_ID_SIZE, SIGNATURE_MARK, check_key_name

COSIGNATURE_TYPE = b"\x04"
KEY_SIZE = 32
TIME_SIZE = 8


class WitnessAwayError(Exception):
    """It did not answer, or not as a witness does; to be asked again."""


class WitnessSawError(Exception):
    """It cosigned a tree of `size` last, and wants to be led on from there."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class WitnessRefusedError(Exception):
    """It will not cosign this checkpoint: to its knowledge the log is forked, or it does not know the log's key."""


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Its id within its name."""
        typed = COSIGNATURE_TYPE + self.public_key
        return hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:KEY_ID_SIZE]

    @classmethod
    def parse(cls, text: str) -> WitnessKey:
        """From `name+id+key`, of signature type 4. ValueError, with a sentence, for text that is none."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise ValueError("a witness's key has the form name+id+key")
        check_key_name(parts[0])
        try:
            typed = base64.b64decode(parts[2], validate=True)
        except binascii.Error as error:
            raise ValueError("the last part of a witness's key is base64") from error
        if typed[:1] != COSIGNATURE_TYPE or len(typed) != 1 + KEY_SIZE:
            raise ValueError("a witness's key is an Ed25519 key of signature type 4")
        key = cls(parts[0], typed[1:])
        if key.key_id.hex() != parts[1]:
            raise ValueError("the id of the witness's key does not fit its name and key")
        return key

    def line_in(self, answer: str, body: str) -> str:
        """The line of this key in a witness's answer. WitnessAwayError unless it is there and fits the body."""
        for line in answer.splitlines():
            name, _, encoded = line.removeprefix(SIGNATURE_MARK).partition(" ")
            try:
                typed = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                continue
            if name == self.name and typed[:KEY_ID_SIZE] == self.key_id and line.startswith(SIGNATURE_MARK):
                self._verify(typed[KEY_ID_SIZE:], body)
                return f"{line}\n"
        raise WitnessAwayError("its answer has no cosignature by its key")

    def _verify(self, typed: bytes, body: str) -> None:
        at = int.from_bytes(typed[:TIME_SIZE], "big")
        signed = f"cosignature/v1\ntime {at}\n{body}".encode()
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(typed[TIME_SIZE:], signed)
        except InvalidSignature as error:
            raise WitnessAwayError("its cosignature does not fit the checkpoint") from error


def add_checkpoint(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """The body of a request to cosign a checkpoint that continues the tree of `old` entries (C2SP tlog-witness)."""
    lines = [f"old {old}", *(base64.b64encode(hashed).decode() for hashed in proof), ""]
    return ("\n".join(lines) + "\n" + note).encode()
