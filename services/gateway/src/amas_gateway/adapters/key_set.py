"""Which published keys may verify a token, and with which algorithm: decided from the key, never from the token.

Symmetric keys, private keys, weak keys and keys for other uses are left out, so that no token can make us use one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

_log = logging.getLogger(__name__)

# A set with more keys is refused: issuers publish a handful.
MAX_KEYS = 64
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
_MAX_KEY_ID = 256

# RFC 9864 gives Ed25519 a name of its own; issuers still say EdDSA for the same key and the same signature.
_ED25519 = frozenset({"EdDSA", "Ed25519"})
_EC_ALGORITHMS = {"P-256": frozenset({"ES256"})}
# Without `alg` an RSA key is for RS256, which is what RFC 9068 makes mandatory; PS256 must be said.
_RSA_ALGORITHMS = frozenset({"RS256", "PS256"})
_RSA_DEFAULT = frozenset({"RS256"})
# What makes the key; pinning to an algorithm and a use is done here and not by the library.
_PUBLIC_MEMBERS = frozenset({"kty", "crv", "x", "y", "n", "e"})
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the algorithms that it is pinned to."""

    key: Key
    algorithms: frozenset[str]


def parse_key_set(document: Mapping[str, object]) -> dict[str, VerificationKey]:
    """Usable keys by id. Raises ValueError for a document that is no key set (RFC 7517 section 5)."""
    keys = document.get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ValueError("not a key set, or one with too many keys")
    usable: dict[str, VerificationKey] = {}
    for entry in keys:
        if not isinstance(entry, dict):
            raise ValueError("a key is not an object")
        key_id = entry.get("kid")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= _MAX_KEY_ID:
            continue
        if key_id in usable:
            raise ValueError("two keys have the same id")
        key = _usable(entry)
        if key is not None:
            usable[key_id] = key
    return usable


def _usable(entry: dict[str, object]) -> VerificationKey | None:
    if entry.get("use", "sig") != "sig" or not _PRIVATE_MEMBERS.isdisjoint(entry):
        return None
    operations = entry.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    try:
        key, possible, default = _imported(entry)
    except (JoseError, ValueError, TypeError) as error:
        _log.warning("a published key is left out: %s", type(error).__name__)
        return None
    algorithm = entry.get("alg")
    if algorithm is None:
        return VerificationKey(key, default)
    if algorithm not in possible:
        return None
    if algorithm in _ED25519:
        return VerificationKey(key, _ED25519)
    return VerificationKey(key, frozenset({str(algorithm)}))


def _imported(entry: dict[str, object]) -> tuple[Key, frozenset[str], frozenset[str]]:
    plain: dict[str, str | list[str]] = {
        name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS and isinstance(value, str)
    }
    curve = plain.get("crv", "")
    match entry.get("kty"):
        case "OKP" if curve == "Ed25519":
            return OKPKey.import_key(plain), _ED25519, _ED25519
        case "EC" if curve in _EC_ALGORITHMS:
            return ECKey.import_key(plain), _EC_ALGORITHMS[curve], _EC_ALGORITHMS[curve]
        case "RSA":
            key = RSAKey.import_key(plain)
            if not MIN_RSA_BITS <= key.public_key.key_size <= MAX_RSA_BITS:
                raise ValueError("RSA key of an unsafe size")
            return key, _RSA_ALGORITHMS, _RSA_DEFAULT
        case _:
            raise ValueError("key of a kind that is not taken")
