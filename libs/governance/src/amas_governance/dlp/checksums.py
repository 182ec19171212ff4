"""Checks that tell a real number from digits that only look like one. Pure functions over texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_DIGIT_GROUP = re.compile(r"[0-9]+")
_DIGIT_REGION = re.compile(r"[0-9](?:[ -]?[0-9])*+")
_WORD = re.compile(r"[A-Za-z0-9_]")
_CARD_DIGITS = range(13, 20)
"""Lengths of a primary account number (ISO/IEC 7812-1)."""
_CARD_GROUPS = 8
"""Groups that people write a card number in at most (4-4-4-4-3 and the like); bounds the work on digit soup."""
_CARD_NUMBER = re.compile(
    "|".join(
        (
            r"3[47][0-9]{13}",  # American Express
            r"3(?:0[0-5]|[689])[0-9]{11,16}",  # Diners Club
            r"(?:2131|1800)[0-9]{11}|35[0-9]{14,17}",  # JCB
            r"4[0-9]{12}(?:[0-9]{3}){0,2}",  # Visa
            r"(?:5[1-5]|2[2-7])[0-9]{14}",  # Mastercard
            r"(?:5[06-9]|6[37])[0-9]{11,17}",  # Maestro
            r"(?:6011|64[4-9]|65|62|60|81|82)[0-9]{12,17}",  # Discover, UnionPay, RuPay
        )
    )
)
"""First digits and lengths of the issuers in use; a random number has to meet them besides the check digit."""

_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Each digit twice, the digits of that added."""
# Length of an IBAN by country: SWIFT IBAN registry, release 99.
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25,
    "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def luhn(digits: str) -> bool:
    """Whether the check digit fits (ISO/IEC 7812-1 annex B)."""
    return (sum(map(int, digits[::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))) % 10 == 0


def iban_mod97(iban: str) -> bool:
    """Whether the check digits fit (ISO 13616, ISO 7064 MOD 97-10) and the length is the country's."""
    if _IBAN_LENGTHS.get(iban[:2]) != len(iban):
        return False
    rearranged = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1


def cards(text: str, start: int, _end: int) -> Iterator[Span]:
    """Card numbers in the region of digits, spaces and dashes that begins at `start`, whose first 13 digits matched.

    Whole groups only, so that part of a hash is none. Matches at the further groups of a region yield nothing.
    """
    if _inside(text, start):
        return
    region = _DIGIT_REGION.match(text, start)
    groups = (
        [(match.start(), match.end()) for match in _DIGIT_GROUP.finditer(text, start, region.end())] if region else []
    )
    if groups and _WORD.match(text, groups[-1][1]):
        groups.pop()
    taken_until = -1
    for first, (begin, _) in enumerate(groups):
        # A plus begins a telephone number.
        if begin < taken_until or text[begin] not in "1234568" or text[max(begin - 1, 0)] == "+":
            continue
        digits, longest = "", None
        for group_start, group_end in groups[first : first + _CARD_GROUPS]:
            digits += text[group_start:group_end]
            if len(digits) >= _CARD_DIGITS.stop:
                break
            if len(digits) in _CARD_DIGITS and _CARD_NUMBER.fullmatch(digits) and luhn(digits):
                longest = (begin, group_end)
        if longest:
            taken_until = longest[1]
            yield longest


def _inside(text: str, start: int) -> bool:
    """Whether the group of digits at `start` goes on a region that a match at an earlier group has."""
    at = start - (text[start - 1 : start] in (" ", "-"))
    before = at
    while before and text[before - 1] in "0123456789":
        before -= 1
    return before < at < start and not (before and _WORD.match(text, before - 1))


def ibans(text: str, start: int, end: int) -> Iterator[Span]:
    """The IBAN that begins at `start`, if its check digits fit at its country's length."""
    length = _IBAN_LENGTHS.get(text[start : start + 2])
    if length is None:
        return
    compact = ""
    for at in range(start, end):
        if text[at] == " ":
            continue
        compact += text[at]
        if len(compact) == length:
            if iban_mod97(compact):
                yield (start, at + 1)
            return
