"""Reads the keys that sign checkpoints. It makes none, and takes none that others on the machine could read.

A file may hold several, newest first: all of them sign, so that holders of the old key and of the new one both go on
verifying while keys are changed.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from amas_audit.adapters.private_file import read_private_file
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.signed_note import NoteRefusedError, NoteSigner, NoteVerifier

# Keys that sign at once: two while one takes the place of another, and room for a mistake.
MAX_KEYS = 4

_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)
_LOG = logging.getLogger(__name__)


def read_signing_keys(path: Path | None) -> tuple[Ed25519PrivateKey, ...]:
    """The keys in a file, newest first. NotReadyError, with a sentence for the operator, if one may not be used."""
    if path is None:
        raise NotReadyError("AMAS_AUDIT_SIGNING_KEY_FILE is not set: without a signing key the log proves nothing")
    content = read_private_file(path, "signing key")
    keys = tuple(_key(path, block) for block in _BLOCK.findall(content)) or (_key(path, content),)
    if len(keys) > MAX_KEYS:
        raise NotReadyError(f"the signing key {path} holds more than {MAX_KEYS} keys")
    if len({key.public_key().public_bytes_raw() for key in keys}) < len(keys):
        raise NotReadyError(f"the signing key {path} holds a key twice")
    return keys


def _key(path: Path, pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NotReadyError(f"the signing key {path} is not an unencrypted PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise NotReadyError(f"the signing key {path} is not an Ed25519 key")
    return key


class KeyFile:
    """A signer (`domain.signed_note.Signer`) whose keys are those that its file holds, as of the last `refresh`.

    A file that becomes unusable changes nothing: what was read last goes on signing, and the log says why.
    """

    def __init__(self, origin: str, path: Path | None) -> None:
        self._origin = origin
        self._path = path
        self._signer = NoteSigner(origin, *read_signing_keys(path))
        self._problem = ""

    @property
    def verifier(self) -> NoteVerifier:
        """The newest key's."""
        return self._signer.verifier

    def sign(self, body: str) -> str:
        """The note for a body, signed by all keys of the file."""
        return self._signer.sign(body)

    def verifier_of(self, note: str) -> NoteVerifier:
        """The newest of the keys that signed a note; the newest of all if none of them did."""
        for verifier in self._signer.verifiers:
            try:
                verifier.open(note)
            except NoteRefusedError:
                continue
            return verifier
        return self._signer.verifier

    def refresh(self) -> bool:
        """Read the file again. True if other keys sign from now on."""
        try:
            found = NoteSigner(self._origin, *read_signing_keys(self._path))
        except NotReadyError as error:
            if str(error) != self._problem:
                _LOG.error("the signing keys stay as they are: %s", error)
            self._problem = str(error)
            return False
        self._problem = ""
        if found.verifiers == self._signer.verifiers:
            return False
        self._signer = found
        keys = [verifier.encode() for verifier in found.verifiers]
        _LOG.warning("other keys sign the log from now on", extra={"verifier_keys": keys})
        return True
