"""The master keys, which wrap the subjects' keys: AES-256-GCM, bound to whose key it is.

A file of them has one a line, 32 bytes in base64, the newest first: the first wraps, all unwrap. So a master key is
changed by putting a new line on top, restarting, `python -m amas_audit rewrap`, and taking the old line away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amas_audit.adapters.private_file import read_private_file
from amas_audit.domain.contents import framed
from amas_audit.domain.errors import ContentDamagedError, NotReadyError
from amas_audit.domain.sealing import NONCE_SIZE, Subject, SubjectKey

KEY_SIZE = 32
# Bytes of a master key's name, which stands before what it wrapped.
ID_SIZE = 8
_ID_DOMAIN = b"amas.audit.master-key.v1"


class MasterKeys:
    """Wraps with the first, unwraps with any."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """The newest key first; each of KEY_SIZE bytes."""
        self._keys = {_id(key): AESGCM(key) for key in keys}
        self.current = _id(keys[0])

    @property
    def ids(self) -> list[bytes]:
        """Names of the keys that can be unwrapped with."""
        return list(self._keys)

    def wrap(self, key: SubjectKey) -> bytes:
        """Name of the master key, nonce and ciphertext."""
        nonce = os.urandom(NONCE_SIZE)
        wrapped = self._keys[self.current].encrypt(nonce, key.secret, _binding(key.id, key.subject))
        return self.current + nonce + wrapped

    def unwrap(self, key_id: str, subject: Subject, wrapped: bytes) -> SubjectKey:
        """The key. ContentDamagedError if none of the master keys wrapped it, or it is another subject's."""
        master = self._keys.get(wrapped[:ID_SIZE])
        if master is None:
            raise ContentDamagedError(f"no master key at hand wrapped the content key {key_id}")
        nonce, rest = wrapped[ID_SIZE : ID_SIZE + NONCE_SIZE], wrapped[ID_SIZE + NONCE_SIZE :]
        try:
            return SubjectKey(key_id, subject, master.decrypt(nonce, rest, _binding(key_id, subject)))
        except (InvalidTag, ValueError) as error:
            raise ContentDamagedError(f"the content key {key_id} is not what was stored") from error


def read_master_keys(path: Path | None) -> MasterKeys:
    """The keys of a file. NotReadyError, with a sentence for the operator, if there is none that may be used."""
    if path is None:
        raise NotReadyError("AMAS_AUDIT_MASTER_KEY_FILE is not set: without a master key no contents can be kept")
    lines = read_private_file(path, "master key file").split()
    keys = []
    for number, line in enumerate(lines, 1):
        try:
            key = base64.b64decode(line, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_SIZE:
            raise NotReadyError(f"key {number} of the master key file {path} is not {KEY_SIZE} bytes in base64")
        keys.append(key)
    if not keys:
        raise NotReadyError(f"the master key file {path} is empty: `openssl rand -base64 {KEY_SIZE}` makes a key")
    return MasterKeys(keys)


def _id(key: bytes) -> bytes:
    return hashlib.sha256(_ID_DOMAIN + key).digest()[:ID_SIZE]


def _binding(key_id: str, subject: Subject) -> bytes:
    return framed(key_id.encode(), *(part.encode() for part in subject))
