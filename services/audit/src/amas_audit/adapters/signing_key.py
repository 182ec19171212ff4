"""Reads the key that signs checkpoints. It makes none, and takes none that others on the machine could read."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from amas_audit.adapters.private_file import read_private_file
from amas_audit.domain.errors import NotReadyError


def read_signing_key(path: Path | None) -> Ed25519PrivateKey:
    """The key. NotReadyError, with a sentence for the operator, if there is none that may be used."""
    if path is None:
        raise NotReadyError("AMAS_AUDIT_SIGNING_KEY_FILE is not set: without a signing key the log proves nothing")
    content = read_private_file(path, "signing key")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NotReadyError(f"the signing key {path} is not an unencrypted PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise NotReadyError(f"the signing key {path} is not an Ed25519 key")
    return key
