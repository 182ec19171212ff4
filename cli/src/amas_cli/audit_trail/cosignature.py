"""Cosignatures of witnesses on a checkpoint (C2SP tlog-cosignature, Ed25519)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .note import ID_SIZE, KEY_SIZE, KeyRefusedError, NoteRefusedError, read_note, strict_base64

COSIGNATURE = b"\x04"
TIME_SIZE = 8
SIGNATURE_SIZE = 64


@dataclass(frozen=True)
class WitnessKey:
    """The public key of a witness: `name+id+key`, of signature type 4."""

    name: str
    key_id: bytes
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> WitnessKey:
        """KeyRefusedError for text that is none."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not parts[0] or any(character.isspace() for character in text.strip()):
            raise KeyRefusedError("a witness's key has the form name+id+key")
        name, key_id, encoded = parts
        try:
            typed = strict_base64(encoded)
        except ValueError as error:
            raise KeyRefusedError("the last part of the witness's key is not base64") from error
        if typed[:1] != COSIGNATURE or len(typed) != 1 + KEY_SIZE:
            raise KeyRefusedError("the key is not one for cosignatures (signature type 4)")
        expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:ID_SIZE]
        if key_id != expected.hex():
            raise KeyRefusedError("the witness's key id does not fit its name and key: it was changed or cut")
        return cls(name, expected, typed[1:])

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(COSIGNATURE + self.public_key).decode()}"

    def cosigned_at(self, note: str) -> int | None:
        """When this witness cosigned a note (seconds since 1970), None if it has not.

        NoteRefusedError for a cosignature that does not fit.
        """
        body, signatures = read_note(note)
        times: list[int] = []
        for name, signature in signatures:
            if (name, signature[:ID_SIZE]) != (self.name, self.key_id):
                continue
            typed = signature[ID_SIZE:]
            at = int.from_bytes(typed[:TIME_SIZE], "big")
            try:
                if len(typed) != TIME_SIZE + SIGNATURE_SIZE:
                    raise InvalidSignature
                Ed25519PublicKey.from_public_bytes(self.public_key).verify(
                    typed[TIME_SIZE:], f"cosignature/v1\ntime {at}\n{body}".encode()
                )
            except InvalidSignature as error:
                raise NoteRefusedError(
                    f"the cosignature of {self.name} does not fit the checkpoint: it is forged or was changed"
                ) from error
            times.append(at)
        return max(times, default=None)


def cosigners(note: str, witnesses: Iterable[WitnessKey]) -> list[WitnessKey]:
    """Those that cosigned; a key that is given twice counts once. NoteRefusedError as `cosigned_at`."""
    distinct = {witness.public_key: witness for witness in witnesses}
    return [witness for witness in distinct.values() if witness.cosigned_at(note) is not None]
