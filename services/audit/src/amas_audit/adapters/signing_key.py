"""Reads the key that signs checkpoints. It makes none, and takes none that others on the machine could read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from amas_audit.domain.errors import NotReadyError

# An Ed25519 key in PEM has about 120 bytes.
MAX_KEY_FILE_BYTES = 16 << 10


def read_signing_key(path: Path | None) -> Ed25519PrivateKey:
    """The key. NotReadyError, with a sentence for the operator, if there is none that may be used."""
    if path is None:
        raise NotReadyError("AMAS_AUDIT_SIGNING_KEY_FILE is not set: without a signing key the log proves nothing")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotReadyError(f"the signing key {path} cannot be read: {error.strerror}") from error
    try:
        # Asked of the open file, so that the answer is about what is read.
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotReadyError(f"the signing key {path} is not a file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise NotReadyError(f"the signing key {path} is open to group or others: chmod 600 it")
        content = os.read(descriptor, MAX_KEY_FILE_BYTES)
    finally:
        os.close(descriptor)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NotReadyError(f"the signing key {path} is not an unencrypted PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise NotReadyError(f"the signing key {path} is not an Ed25519 key")
    return key
