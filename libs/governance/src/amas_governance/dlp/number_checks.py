"""Check digits that python-stdnum does not know: health identifiers. Pure functions over the text of a number."""

from __future__ import annotations

from stdnum import luhn


def npi(number: str) -> bool:
    """US National Provider Identifier: Luhn over the number behind 80840 (45 CFR 162.406)."""
    return len(number) == 10 and luhn.is_valid("80840" + number)


def dea(number: str) -> bool:
    """US DEA registration: the last digit is that of the sum of every other digit and twice the rest (21 CFR 1301)."""
    digits = [int(character) for character in number[2:]]
    return len(digits) == 7 and (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def medicare(number: str) -> bool:
    """Medicare Australia: the ninth digit is a weighted sum of the first eight (Services Australia)."""
    digits = [int(character) for character in number if character.isdigit()]
    weights = (1, 3, 7, 9, 1, 3, 7, 9)
    total = sum(digit * weight for digit, weight in zip(digits, weights, strict=False))
    return len(digits) in (10, 11) and total % 10 == digits[8]


def kvnr(number: str) -> bool:
    """German health insurance number: letter as two digits, weights 1 and 2, sums of digits (SGB V section 290)."""
    if len(number) != 10 or not ("A" <= number[0] <= "Z") or not number[1:].isdecimal():
        return False
    digits = f"{ord(number[0]) - 64:02d}{number[1:9]}"
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(digits))
    return total % 10 == int(number[9])


def has_digit(number: str) -> bool:
    """A number without any digit is a word."""
    return any(character.isdigit() for character in number)
