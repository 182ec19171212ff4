"""The secrets that are no certificates: which there are, how each is made, and that none is ever made twice."""

from __future__ import annotations

import base64
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.audit_key import MASTER_KEY_SIZE
from amas_cli.local.database_setup import PASSWORD_BYTES

from .ports import PLAIN_KIND, SecretStore, StoredSecret
from .settings import SecretNames

PSEUDONYM_SECRET_BYTES = 32
TOKEN_BYTES = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """A Secret with these keys; `make` answers a new value of each."""

    name: str
    keys: tuple[str, ...]
    make: Callable[[], Mapping[str, bytes]]


def wanted(names: SecretNames) -> Iterator[Wanted]:
    """All of an installation."""
    for name in names.postgres.values():
        yield Wanted(name, ("password",), lambda: {"password": secrets.token_urlsafe(PASSWORD_BYTES).encode()})
    yield Wanted(names.audit_signing_key, ("signing.pem",), lambda: {"signing.pem": _private_pem(_ed25519())})
    yield Wanted(names.audit_master_key, ("master.key",), _master_key)
    yield Wanted(names.pseudonyms, ("secret",), lambda: {"secret": os.urandom(PSEUDONYM_SECRET_BYTES).hex().encode()})
    yield Wanted(names.opa, ("token", "signing.pem", "signing.pub.pem"), _opa)


def ensure_secret(store: SecretStore, want: Wanted) -> StoredSecret:
    """The Secret as it is, or as it was made now. CliError if one is there that lacks what it is for."""
    found = store.find(want.name)
    if found is None:
        if store.create(want.name, want.make(), PLAIN_KIND):
            _log.info("a secret was made", extra={"secret": want.name})
        found = store.find(want.name)
        if found is None:
            raise CliError(f"The secret {want.name} was deleted while it was set up.", exit_code=ExitCode.CONFLICT)
    check_keys(found, want.keys)
    return found


def check_keys(found: StoredSecret, keys: tuple[str, ...]) -> None:
    """CliError unless the Secret has them all: what is half there is never filled up or made anew."""
    missing = [key for key in keys if not found.data.get(key)]
    if missing:
        raise CliError(
            f"The secret {found.name} is there, but has no {' and no '.join(missing)}.",
            next_step="put it in, or delete the secret if nothing uses it yet, so that it is made anew",
            exit_code=ExitCode.CONFLICT,
        )


def _ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def _master_key() -> Mapping[str, bytes]:
    return {"master.key": base64.b64encode(os.urandom(MASTER_KEY_SIZE)) + b"\n"}


def _opa() -> Mapping[str, bytes]:
    """What OPA proves itself with, and the pair that signs what it is given (ES256)."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    token = secrets.token_urlsafe(TOKEN_BYTES).encode()
    return {"token": token, "signing.pem": _private_pem(key), "signing.pub.pem": public}


def _private_pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
