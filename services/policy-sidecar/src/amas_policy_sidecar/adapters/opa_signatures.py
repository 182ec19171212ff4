"""Signs what OPA is given, so that it takes policies from this service's key alone.

Source: Open Policy Agent documentation, "Bundles", section "Signing": a JWS over the digest of each file. The key never
leaves this module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from amas_governance.canonical import canonical_json
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

SIGNATURES = ".signatures.json"
# Algorithm by the kind of key: what OPA's configuration names for its public half.
_ALGORITHMS = (("ES256", ECKey), ("RS256", RSAKey))


class BundleSigner:
    """One private key and the id that OPA knows its public half by."""

    def __init__(self, key_file: Path, key_id: str) -> None:
        """Reads the key; raises ValueError or OSError if the file holds no private key on P-256 or of RSA."""
        self._key_id = key_id
        self._algorithm, self._key = _read_key(key_file.read_bytes())

    def sign(self, files: Mapping[str, bytes], scope: str) -> bytes:
        """The content of `.signatures.json` for these files; OPA takes it for that scope alone."""
        entries = [
            {"name": name, "hash": _digest(name, content), "algorithm": "SHA-256"}
            for name, content in sorted(files.items())
        ]
        payload = json.dumps({"files": entries, "scope": scope, "iss": "policy-sidecar"}).encode()
        header = {"alg": self._algorithm, "kid": self._key_id}
        token = jws.serialize_compact(header, payload, self._key, algorithms=[self._algorithm])
        return json.dumps({"signatures": [token]}).encode()


def _digest(name: str, content: bytes) -> str:
    """Hex digest of a file as OPA computes it: of JSON, over its canonical form."""
    if name.endswith((".json", ".manifest")):
        content = canonical_json(json.loads(content))
    return hashlib.sha256(content).hexdigest()


def _read_key(pem: bytes) -> tuple[str, ECKey | RSAKey]:
    for algorithm, kind in _ALGORITHMS:
        try:
            key = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        if not key.is_private or (isinstance(key, ECKey) and key.curve_name != "P-256"):
            break
        return algorithm, key
    raise ValueError("it holds no private key on P-256 or of RSA (PEM)")
