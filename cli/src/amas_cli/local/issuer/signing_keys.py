"""The issuer's signing keys: Ed25519 and ES256, in the state folder, newest first; old ones stay published.

Files are `keys/<number>-<alg>.json`: numbers only grow, and the highest number of an algorithm signs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, Key, OKPKey

from amas_cli.local.issuer.secret_files import ensure_folder, write_new

ALGORITHMS = ("Ed25519", "ES256")
# Signs unless a client asks for another algorithm.
DEFAULT_ALGORITHM = "Ed25519"
# Generations that stay published: the current one and those whose tokens may still live.
MAX_GENERATIONS = 4


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its id and algorithm."""

    key_id: str
    algorithm: str
    key: Key


class SigningKeys:
    """Keys in one folder."""

    def __init__(self, folder: Path) -> None:
        ensure_folder(folder)
        self._folder = folder
        self._generations = self._load()
        if not self._generations:
            self.rotate()

    def current(self, algorithm: str) -> SigningKey:
        """The key that signs now."""
        return self._generations[max(self._generations)][algorithm]

    def published(self) -> dict[str, Any]:
        """The key set (RFC 7517) with the public parts of the newest generations."""
        keys: list[dict[str, Any]] = []
        for number in sorted(self._generations, reverse=True)[:MAX_GENERATIONS]:
            for signing in self._generations[number].values():
                public = signing.key.as_dict(private=False)
                keys.append({**public, "kid": signing.key_id, "alg": signing.algorithm, "use": "sig"})
        return {"keys": keys}

    def rotate(self) -> None:
        """Makes a new generation that signs from now on."""
        # Above every file, also those of a rotation that was cut: files are never written twice.
        number = max((int(path.name.partition("-")[0]) for path in self._files()), default=0) + 1
        made: dict[str, Key] = {
            "Ed25519": OKPKey.generate_key("Ed25519"),
            "ES256": ECKey.generate_key("P-256"),
        }
        for algorithm, key in made.items():
            content = json.dumps(key.as_dict(private=True)).encode()
            write_new(self._folder / f"{number:06d}-{algorithm}.json", content)
        self._generations = self._load()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*-*.json"))

    def _load(self) -> dict[int, dict[str, SigningKey]]:
        generations: dict[int, dict[str, SigningKey]] = {}
        for path in self._files():
            number, _, algorithm = path.stem.partition("-")
            if algorithm not in ALGORITHMS:
                continue
            content = json.loads(path.read_text())
            key: Key = OKPKey.import_key(content) if algorithm == "Ed25519" else ECKey.import_key(content)
            signing = SigningKey(key.thumbprint(), algorithm, key)
            generations.setdefault(int(number), {})[algorithm] = signing
        # A generation that was cut while it was written does not sign.
        return {number: keys for number, keys in generations.items() if len(keys) == len(ALGORITHMS)}
