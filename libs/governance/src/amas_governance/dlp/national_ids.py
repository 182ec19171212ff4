"""Identifiers of people whose written form gives them away: letters, separators and a check digit or a date.

Whether a number is real is decided by python-stdnum, which keeps the rules of the issuing authorities. Numbers that are
bare digits are not here: they are looked for beside a word that names them (`contextual.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.in_ import aadhaar, pan
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.se import personnummer
from stdnum.us import itin

from .detector import Category
from .shapes import Shape, letters, row, times

D = rb"[0-9]"
A = rb"[A-Z]"
SP = rb" ?"
DASH = rb"-?"
# The letters that the Centers for Medicare & Medicaid Services use: none that looks like a digit.
_MBI = rb"[AC-HJKMNP-RT-Y]"
_MBI_ANY = rb"[0-9AC-HJKMNP-RT-Y]"
# Codice fiscale: digits may be written as letters where two people would have the same code.
_CF = rb"[0-9LMNPQRSTUV]"


@dataclass(frozen=True)
class NationalId:
    """One kind of identifier. `valid` decides about the text of a match."""

    name: str
    category: Category
    shape: Shape
    valid: Callable[[str], bool]


def _always(_text: str) -> bool:
    """The form is all there is: no check digit exists."""
    return True


NATIONAL_IDS: tuple[NationalId, ...] = (
    NationalId(
        "be-national-number",
        "pii",
        row(*times(D, 2), rb"\.", *times(D, 2), rb"\.", *times(D, 2), b"-", *times(D, 3), rb"\.", *times(D, 2)),
        nn.is_valid,
    ),
    NationalId(
        "br-cpf", "pii", row(*times(D, 3), rb"\.", *times(D, 3), rb"\.", *times(D, 3), b"-", *times(D, 2)), cpf.is_valid
    ),
    NationalId("ca-sin", "pii", row(*times(D, 3), b"[ -]", *times(D, 3), b"[ -]", *times(D, 3)), sin.is_valid),
    NationalId(
        "ch-ahv", "pii", row(letters(b"756."), *times(D, 4), rb"\.", *times(D, 4), rb"\.", *times(D, 2)), ahv.is_valid
    ),
    NationalId("cn-resident-id", "pii", row(rb"[1-8]", *times(D, 16), rb"[0-9X]"), ric.is_valid),
    NationalId("es-dni", "pii", row(*times(D, 8), DASH, A), dni.is_valid),
    NationalId("es-nie", "pii", row(b"[XYZ]", DASH, *times(D, 7), DASH, A), nie.is_valid),
    NationalId("fi-hetu", "pii", row(*times(D, 6), b"[-+A-FU-Y]", *times(D, 3), b"[0-9A-Y]"), hetu.is_valid),
    NationalId(
        "fr-nir",
        "pii",
        row(b"[12]", SP, D, D, SP, D, D, SP, D, b"[0-9AB]", SP, D, D, D, SP, D, D, D, SP, D, D),
        nir.is_valid,
    ),
    NationalId(
        "in-aadhaar", "pii", row(b"[2-9]", *times(D, 3), b" ", *times(D, 4), b" ", *times(D, 4)), aadhaar.is_valid
    ),
    NationalId("in-pan", "pii", row(*times(A, 3), b"[ABCFGHJLPT]", A, *times(D, 4), A), pan.is_valid),
    NationalId(
        "it-codice-fiscale",
        "pii",
        row(*times(A, 6), _CF, _CF, b"[ABCDEHLMPRST]", _CF, _CF, A, *times(_CF, 3), A),
        codicefiscale.is_valid,
    ),
    NationalId("kr-rrn", "pii", row(*times(D, 6), b"-", D, *times(D, 6)), rrn.is_valid),
    NationalId("mx-curp", "pii", row(*times(A, 4), *times(D, 6), b"[HM]", *times(A, 5), b"[0-9A-Z]", D), curp.is_valid),
    NationalId("se-personnummer", "pii", row(*times(D, 6), b"[-+]", *times(D, 4)), personnummer.is_valid),
    NationalId(
        "uk-nino",
        "pii",
        row(b"[A-CEGHJ-PR-TW-Z]", b"[A-CEGHJ-NPR-TW-Z]", SP, D, D, SP, D, D, SP, D, D, SP, b"[A-D]"),
        _always,
    ),
    NationalId("us-itin", "pii", row(b"9", D, D, b"-", b"[5-9]", D, b"-", *times(D, 4)), itin.is_valid),
    NationalId(
        "us-mbi", "phi", row(b"[1-9]", _MBI, _MBI_ANY, D, DASH, _MBI, _MBI_ANY, D, DASH, _MBI, _MBI, D, D), _always
    ),
)
"""In alphabetical order of their names."""
