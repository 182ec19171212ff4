"""Deterministic vectors from hashed character n-grams. They are lexical: they know spelling, not meaning."""

import hashlib
import math

DEFAULT_DIMENSIONS = 256
MAX_DIMENSIONS = 3072
NGRAM = 3


def embed(text: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """A unit vector of `dimensions` numbers; equal texts give equal vectors on every machine."""
    vector = [0.0] * dimensions
    padded = f" {' '.join(text.lower().split())} "
    for start in range(max(1, len(padded) - NGRAM + 1)):
        gram = padded[start : start + NGRAM].encode()
        hashed = int.from_bytes(hashlib.blake2b(gram, digest_size=8).digest(), "big")
        vector[hashed % dimensions] += 1.0 if hashed >> 63 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]
