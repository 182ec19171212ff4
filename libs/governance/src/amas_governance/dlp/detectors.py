"""What is looked for in every text and on every stream: one entry a detector, with its check where one exists."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .checksums import Span, cards, ibans
from .detector import Detector
from .national_ids import NATIONAL_IDS, NationalId
from .vendor_tokens import VENDOR_TOKENS

PRIVATE_KEY = "private-key"
"""The only finding whose end is not in its pattern."""
KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
MAX_PHONE_DIGITS = 15
"""ITU-T E.164."""


def _private_key(text: str, start: int, end: int) -> Iterator[Span]:
    """To the end marker; without one to the end of the text, because half a key is a secret too."""
    closing = KEY_END.search(text, end)
    yield (start, closing.end() if closing else len(text))


def _phone(text: str, start: int, end: int) -> Iterator[Span]:
    digits = sum(character.isdigit() for character in text[start:end])
    if 9 <= digits <= MAX_PHONE_DIGITS:
        yield (start, end)


def _social_security(text: str, start: int, end: int) -> Iterator[Span]:
    """Numbers that the Social Security Administration never gives out are none."""
    area, group, serial = text[start:end].split("-")
    if area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000":
        yield (start, end)


def _national_id(kind: NationalId) -> Detector:
    def refine(text: str, start: int, end: int) -> Iterator[Span]:
        if kind.valid(text[start:end]):
            yield (start, end)

    return Detector(kind.name, kind.category, kind.shape.pattern, refine)


DETECTORS: tuple[Detector, ...] = (
    Detector(PRIVATE_KEY, "secret", rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", _private_key),
    Detector("aws-access-key", "secret", rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    Detector(
        "aws-secret-key",
        "secret",
        rb"(?i:aws_?secret_?(?:access_?)?key)[\"']?\s{0,4}[=:]\s{0,4}[\"']?[A-Za-z0-9/+]{40}",
    ),
    Detector("github-token", "secret", rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    Detector("gitlab-token", "secret", rb"\bglpat-[A-Za-z0-9_-]{20,}"),
    Detector("slack-token", "secret", rb"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    Detector("openai-key", "secret", rb"\bsk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9_-]{20,}"),
    Detector("stripe-key", "secret", rb"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    Detector("google-key", "secret", rb"\bAIza[0-9A-Za-z_-]{35}"),
    Detector("jwt", "secret", rb"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    *(
        Detector(name, "secret", b"|".join(b"(?:" + shape.pattern + b")" for shape in shapes))
        for name, shapes in VENDOR_TOKENS.items()
    ),
    Detector("url-password", "secret", rb"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,64}:[^\s/@]{1,128}@"),
    # The shortest number: the check looks further, at what has no bound and would be reported digit by digit.
    Detector("card", "pci", rb"\b[0-9](?:[ -]?[0-9]){12}", cards),
    Detector("iban", "pii", rb"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b", ibans),
    *(_national_id(kind) for kind in NATIONAL_IDS),
    Detector("us-ssn", "pii", rb"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", _social_security),
    Detector(
        "email",
        "pii",
        rb"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}",
    ),
    Detector("phone", "pii", rb"\+[1-9](?:[ .()-]{0,2}[0-9]){8,14}\b", _phone),
)
"""Checked in this order where two findings begin at the same place."""
