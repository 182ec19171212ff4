"""What the end of a text may be the beginning of: for each detector a pattern of everything that more text could turn
into a finding, up to the end of the data.

A stream holds exactly that back. A beginning may match too much, which costs a moment; it must never match too little,
which would let a secret through in two halves. A finding whose pattern asks for a word's end is a beginning too, since
only the next character says whether the word has ended.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from .engine import Engine
from .national_ids import NATIONAL_IDS
from .scanning import detectors_of
from .shapes import begun, letters
from .vendor_tokens import VENDOR_TOKENS


@dataclass(frozen=True)
class Beginning:
    """`pattern` is in hyperscan's language, over bytes. `reach` is the longest finding (bytes) where the pattern itself
    does not bound it but the detector does."""

    pattern: bytes
    reach: int | None = None


BEGINNINGS: dict[str, Beginning] = {
    "private-key": Beginning(
        rb"(?:-{1,5}|" + begun(rb"-----B", *letters(b"EGIN "), rb"[A-Z0-9 ]{0,57}", rb"-{0,4}") + rb")"
    ),
    "aws-access-key": Beginning(begun(rb"\bA", rb"[KS]", rb"I", rb"A", rb"[0-9A-Z]{0,16}")),
    "aws-secret-key": Beginning(
        rb"(?i:"
        + begun(
            *letters(b"aws"),
            rb"_?",
            *letters(b"secret"),
            rb"_?(?:" + begun(*letters(b"access")) + rb")?_?",
            *letters(b"key"),
            rb"[\"']?\s{0,4}",
            rb"[=:]",
            rb"\s{0,4}[\"']?[A-Za-z0-9/+]{0,39}",
        )
        + rb")"
    ),
    "github-token": Beginning(
        rb"(?:"
        + begun(rb"\bg", rb"h", rb"[pousr]", rb"_", rb"[A-Za-z0-9]*")
        + rb"|"
        + begun(rb"\bg", *letters(b"ithub_pat_"), rb"[A-Za-z0-9_]*")
        + rb")"
    ),
    "gitlab-token": Beginning(begun(rb"\bg", *letters(b"lpat-"), rb"[A-Za-z0-9_-]*")),
    "slack-token": Beginning(begun(rb"\bx", rb"o", rb"x", rb"[abeprs]", rb"-", rb"[A-Za-z0-9-]*")),
    "openai-key": Beginning(begun(rb"\bs", rb"k", rb"-", rb"[A-Za-z0-9_-]*")),
    "stripe-key": Beginning(begun(rb"\b[rs]", rb"k", rb"_", rb"[a-z]{0,4}", rb"_", rb"[A-Za-z0-9]*")),
    "google-key": Beginning(begun(rb"\bA", rb"I", rb"z", rb"a", rb"[0-9A-Za-z_-]{0,34}")),
    "jwt": Beginning(
        begun(
            *(rb"\be", rb"y", rb"J", rb"[A-Za-z0-9_-]*", rb"\."),
            *(*letters(b"eyJ"), rb"[A-Za-z0-9_-]*", rb"\.", rb"[A-Za-z0-9_-]*"),
        )
    ),
    # Bounded repeats as in the detector are too large to compile with starts of matches.
    "url-password": Beginning(rb"\b[a-z][a-z0-9+.-]*(?::(?:/(?:/[^\s/@]*)?)?)?", reach=218),
    # What `cards` could still accept, which is less than what the pattern could still match: 19 digits.
    "card": Beginning(rb"\b[0-9](?:[ -]?[0-9]){0,18}[ -]?"),
    "iban": Beginning(rb"\b[A-Z](?:[A-Z](?:[0-9](?:[0-9](?: ?[A-Z0-9]){0,30} ?)?)?)?"),
    "us-ssn": Beginning(rb"\b[0-9]{1,3}(?:-(?:[0-9]{1,2}(?:-[0-9]{0,4})?)?)?"),
    "email": Beginning(rb"[A-Za-z0-9._%+-]+(?:@[A-Za-z0-9.-]*)?"),
    **{
        name: Beginning(b"|".join(b"(?:" + shape.beginning + b")" for shape in shapes))
        for name, shapes in VENDOR_TOKENS.items()
    },
    **{kind.name: Beginning(kind.shape.beginning) for kind in NATIONAL_IDS},
    "phone": Beginning(rb"\+(?:[1-9](?:[ .()-]{0,2}[0-9]){0,14}[ .()-]{0,2})?"),
}
"""By the detector's name."""


@functools.cache
def beginnings_of(categories: frozenset[str]) -> Engine:
    """The beginnings of `detectors_of`, in the same order, at the end of the data."""
    return Engine([rb"(?:" + BEGINNINGS[detector.name].pattern + rb")\z" for detector in detectors_of(categories)])
