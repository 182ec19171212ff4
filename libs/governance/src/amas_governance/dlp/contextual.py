"""What only the words beside it give away: numbers that are bare digits, and passwords.

Looked for in whole texts alone, never on streams: what a word says reaches further than a stream may hold back.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from stdnum import luhn
from stdnum.at import vnr
from stdnum.au import tfn
from stdnum.bg import egn
from stdnum.cz import rc
from stdnum.de import idnr as steuer_id
from stdnum.dk import cpr
from stdnum.gb import nhs
from stdnum.gr import amka
from stdnum.hr import oib
from stdnum.ie import pps
from stdnum.il import idnr as teudat_zehut
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.ro import cnp
from stdnum.tr import tckimlik
from stdnum.za import idnr as za_id

from .behind_words import behind
from .detector import Category, Detector
from .number_checks import dea, has_digit, kvnr, medicare, npi

# Words and marks that may stand between what names a number and the number.
_GAP = r"[^0-9A-Za-z\n]{0,4}(?:(?i:number|nummer|no|nr|num|id|is|code|of)[^0-9A-Za-z\n]{1,4}){0,2}"
# Bits a character (Shannon); words of a language have fewer over 12 characters and more.
MIN_ENTROPY = 3.2


def _random(value: str) -> bool:
    """Whether a value is chance rather than a word: several kinds of characters, and no pattern in them."""
    kinds = (any(c.isdigit() for c in value), any(c.islower() for c in value), any(c.isupper() for c in value))
    size = len(value)
    entropy = -sum(count / size * math.log2(count / size) for count in Counter(value).values())
    return sum(kinds) >= 2 and kinds[0] and entropy >= MIN_ENTROPY


def _numbered(name: str, category: Category, words: str, form: str, valid: Callable[[str], bool]) -> Detector:
    return behind(name, category, rf"\b(?i:{words}){_GAP}", rf"{form}\b", valid)


_ICD = "[A-TV-Z][0-9][0-9AB](?:[.][0-9A-Z]{1,4})?"
_ELEVEN = "[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}"

CONTEXTUAL: tuple[Detector, ...] = (
    behind(
        "password",
        "secret",
        r"(?i:pass(?:word|wd|phrase|code)?|pwd|secret|token|(?:api|auth|access|private)[_-]?key|credentials?)"
        r"[\"'`]?(?:\s{0,3}(?:=>|[:=]{1,2}|(?i:is))){1,2}\s{0,3}[\"'`]?",
        r"[A-Za-z0-9+/_=.~!@#$%^&*-]{12,128}",
        _random,
        trigger="[A-Za-z0-9+/_=.~!@#$%^&*-]",
    ),
    _numbered("card-maestro", "pci", "(?:credit |debit )?card|cc|maestro", "(?:5[06-9]|6[37])[0-9]{10}", luhn.is_valid),
    _numbered("at-vnr", "pii", "svnr|sozialversicherungs[a-z]*", "[0-9]{4} ?[0-9]{6}", vnr.is_valid),
    _numbered("au-tfn", "pii", "tfn|tax file", "[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", tfn.is_valid),
    _numbered("bg-egn", "pii", "egn|егн", "[0-9]{10}", egn.is_valid),
    _numbered("cz-rc", "pii", "rodn(?:e|é) (?:c|č)(?:i|í)slo", "[0-9]{6}/?[0-9]{3,4}", rc.is_valid),
    _numbered("de-tax-id", "pii", "idnr|steuer-?id[a-z]*|tax id", _ELEVEN, steuer_id.is_valid),
    _numbered("dk-cpr", "pii", "cpr|personnummer", "[0-9]{6}-?[0-9]{4}", cpr.is_valid),
    _numbered("gr-amka", "pii", "amka|αμκα", "[0-9]{11}", amka.is_valid),
    _numbered("hr-oib", "pii", "oib", "[0-9]{11}", oib.is_valid),
    _numbered("ie-pps", "pii", "pps[n]?", "[0-9]{7}[A-W][A-IW]?", pps.is_valid),
    _numbered("il-id", "pii", "teudat zehut|israeli id|identity", "[0-9]{9}", teudat_zehut.is_valid),
    _numbered("nl-bsn", "pii", "bsn|burgerservice[a-z]*|sofi[a-z]*", "[0-9]{9}", bsn.is_valid),
    _numbered("no-fodselsnummer", "pii", "f(?:ø|o)dselsn[a-z]*|personnr", "[0-9]{6} ?[0-9]{5}", fodselsnummer.is_valid),
    _numbered("pl-pesel", "pii", "pesel", "[0-9]{11}", pesel.is_valid),
    _numbered("pt-nif", "pii", "nif|contribuinte", "[0-9]{9}", nif.is_valid),
    _numbered("ro-cnp", "pii", "cnp|cod numeric", "[0-9]{13}", cnp.is_valid),
    _numbered("tr-kimlik", "pii", "kimlik[a-z]*|t\\.?c\\.?", "[0-9]{11}", tckimlik.is_valid),
    _numbered("za-id", "pii", "id|identity", "[0-9]{13}", za_id.is_valid),
    _numbered("passport", "pii", "passport|reisepass|passeport|pasaporte", "[A-Z0-9]{6,9}", has_digit),
    _numbered("driver-license", "pii", "driver'?s? licen[cs]e|driving licen[cs]e", "[A-Z0-9]{6,16}", has_digit),
    _numbered("bank-account", "pii", "(?:bank )?account|acct", "[0-9]{7,17}", has_digit),
    _numbered("uk-nhs", "phi", "nhs", "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", nhs.is_valid),
    _numbered("us-npi", "phi", "npi|national provider", "[12][0-9]{9}", npi),
    _numbered("us-dea", "phi", "dea", "[ABFGMPRX][A-Z9][0-9]{7}", dea),
    _numbered("au-medicare", "phi", "medicare", "[2-6][0-9]{3} ?[0-9]{5} ?[0-9]{1,2}", medicare),
    _numbered("de-kvnr", "phi", "kvnr|krankenversich[a-z]*|versichert[a-z]*", "[A-Z][0-9]{9}", kvnr),
    _numbered("medical-record", "phi", "mrn|medical record|patient", "[A-Z0-9][A-Z0-9-]{3,14}[0-9]", has_digit),
    _numbered("icd-10", "phi", "icd(?:-?10)?(?:-?cm)?|diagnos[a-z]*|dx", _ICD, has_digit),
)
