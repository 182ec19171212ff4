"""Vectors of texts by hashed n-grams: they compare letters and words, not meaning, and need nothing but numpy.

Signed feature hashing (Weinberger et al., arXiv 0902.2206) of character 3-, 4- and 5-grams and of words, each feature
weighted by 1 + ln(count), the vector of length 1. "big" and "large" are strangers to it; say so where it is offered.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from .semantic_words import normal, words

DIMENSIONS = 1024
NAME = f"lexical-{DIMENSIONS}"
GRAMS = (3, 4, 5)

# Odd constants of SplitMix64's finalizer (Steele, Lea, Flood 2014), which spreads each bit over all others.
_MIX_1, _MIX_2, _STEP = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15)
Vector = NDArray[np.float32]


def lexical_vector(text: str) -> Vector:
    """The vector of a text, shape (1024,), float32; all zeros for a text without letters or digits."""
    hashes = [_gram_hashes(f" {normal(text)} ", size) for size in GRAMS]
    hashes.append(np.array([zlib.crc32(word.encode()) for word in words(text)], dtype=np.uint64))
    features, counts = np.unique(_mixed(np.concatenate(hashes)), return_counts=True)
    signs = np.where(features >> np.uint64(63), 1.0, -1.0)
    buckets = (features % np.uint64(DIMENSIONS)).astype(np.int64)
    sums = np.bincount(buckets, weights=signs * (1.0 + np.log(counts)), minlength=DIMENSIONS)
    length = float(np.linalg.norm(sums))
    return (sums / length if length and words(text) else np.zeros(DIMENSIONS)).astype(np.float32)


def _gram_hashes(text: str, size: int) -> NDArray[np.uint64]:
    points = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    if len(points) < size:
        return np.zeros(0, dtype=np.uint64)
    # Numbers wrap at 64 bits, as hashes do; the size in the seed keeps grams of different sizes apart.
    sums = np.full(len(points) - size + 1, size, dtype=np.uint64)
    for offset in range(size):
        sums = _mixed(sums * _STEP + points[offset : len(points) - size + 1 + offset])
    return sums


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))
