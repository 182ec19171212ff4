"""The audit log's keys of the local platform, and the verifier key that anyone may have.

The signing key and the master key are written once, readable by their owner alone, and never replaced: old checkpoints
must stay verifiable, and contents readable.
Source: C2SP signed-note, "Verifier keys".
"""

import base64
import hashlib
import os

from .home import Home, write_private

ORIGIN = "amas.internal/audit"
ED25519 = b"\x01"
"""Signature type of the signed-note specification."""
MASTER_KEY_SIZE = 32
"""Bytes."""


def ensure_audit_key(home: Home) -> str:
    """Make the key unless it is there; write and answer the verifier key `name+hash+base64`."""
    if home.audit_public_key.exists() and home.audit_signing_key.exists():
        return home.audit_public_key.read_text().strip()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if home.audit_signing_key.exists():
        key = serialization.load_pem_private_key(home.audit_signing_key.read_bytes(), password=None)
    else:
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(home.audit_signing_key, pem.decode())
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    verifier = verifier_key(ORIGIN, raw)
    home.audit_public_key.write_text(verifier + "\n")
    return verifier


def ensure_master_key(home: Home) -> None:
    """Make the key that wraps the keys of the log's contents, unless it is there."""
    if not home.audit_master_key.exists():
        write_private(home.audit_master_key, base64.b64encode(os.urandom(MASTER_KEY_SIZE)).decode() + "\n")


def verifier_key(name: str, public_key: bytes) -> str:
    """A raw Ed25519 public key (32 bytes) in the form of the specification."""
    digest = hashlib.sha256(name.encode() + b"\n" + ED25519 + public_key).digest()
    return f"{name}+{digest[:4].hex()}+{base64.b64encode(ED25519 + public_key).decode()}"
