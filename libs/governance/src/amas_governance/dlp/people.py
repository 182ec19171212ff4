"""Names of people, postal addresses and telephone numbers as people write them: best effort, in whole texts alone.

Nobody has a list of all names: what is found is what has a sign beside it (a title, a greeting, `my name is`, the form
of a street). A name without any sign is not found, and some that is no name is.
"""

from __future__ import annotations

import re

import phonenumbers

from .behind_words import LOWER, UPPER, behind
from .detector import Detector

_WORD = f"{UPPER}{LOWER}{{1,20}}(?:{UPPER}{LOWER}{{1,20}})?"
_NAME = f"{_WORD}(?: (?:{UPPER}[.] |(?:van|von|de|da|di|del|bin|al|la) )?{_WORD}){{0,2}}"
_TITLE = "(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sir|Herr|Frau|Mme|Mlle|Señor|Señora|Sig)"
_STREET = (
    "(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Square|Sq|Terrace|Parkway|"
    "Highway|Hwy|Crescent|Close|Trail|Circle|Cir|Loop|Alley|Row|Grove|Hill|Mews|Walk|Ridge|Plaza|Burgs?|Cliffs?|Coves?|"
    "Creek|Crossing|Estates?|Flats?|Forges?|Gardens?|Harbors?|Island|Isle|Junction|Knolls?|Lake|Light|Mills?|Mount|"
    "Mountains?|Oval|Park|Pass|Path|Pike|Pines|Point|Port|Prairie|Rapids|Shoals?|Shores?|Springs?|Station|Stream|Summit|"
    "Track|Tunnel|Turnpike|Union|Valley|View|Village|Ville|Vista|Wells?)"
)
_WORDS = f"(?:{UPPER}{LOWER}{{0,30}} ){{1,3}}"
_PHONE = (
    r"(?:[(][0-9]{2,5}[)] ?)?[(]?[0-9]{2,5}[)]?(?:[ ./-]{1,2}[(]?[0-9]{2,5}[)]?){1,4}(?: ?(?:x|ext[.]?) ?[0-9]{1,5})?"
)
# Regions (ISO 3166) whose national writing is tried, most used first.
_REGIONS = ("US", "GB", "DE", "FR", "IN", "BR", "ES", "IT")
_STATED = "name is|name:|i am|i'm|call me|on behalf of|signed by"
_GREETING = "Dear|Hi|Hello|Hey|Regards|Sincerely|Thanks|Cheers|Best"
_STREET_DE = "straße|strasse|str[.]|weg|platz|allee|gasse"
_STREET_FR = "rue|avenue|boulevard|place|chemin"
_STREET_ES = "Calle|Avenida|Plaza|Via|Viale|Rua"
_PHONE_WORDS = (
    "(?:phone|mobile|cell|tel|telephone|fax|number|call|reach|text|messages?|answering|contact)"
    "(?: me| us| them)?(?: at| on| to)?"
)
_STATE = (
    "(?:A[AEKLPRSZ]|C[AOT]|D[CE]|F[LM]|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|P[ARW]|RI|S[CD]|"
    "T[NX]|UT|V[AIT]|W[AIVY])"
)
_DIGITS = re.compile("[0-9]+")
_DATE = re.compile(r"[0-9]{4}[-./][0-9]{1,2}[-./][0-9]{1,2}|[0-9]{1,2}[-./][0-9]{1,2}[-./][0-9]{2,4}(?:[^0-9]|$)")
# What is greeted and is nobody's name.
_NOBODY = frozenset(
    {"All", "Team", "Everyone", "Support", "There", "Sir", "Madam", "Friends", "Customer", "World", "Again"}
)


def _somebody(text: str) -> bool:
    return text.split()[0] not in _NOBODY


def _possible_phone(text: str) -> bool:
    """Whether some country has numbers of this form (libphonenumber)."""
    digits = "".join(_DIGITS.findall(text))
    if not 8 <= len(digits) <= 20 or _DATE.match(text):
        return False
    if len(digits) == 10 and digits[0] > "1" and "x" not in text:
        # Of every ten digits without a prefix the library says so too, and takes a tenth of a millisecond.
        return True
    for region in _REGIONS:
        try:
            if phonenumbers.is_possible_number(phonenumbers.parse(text, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


PEOPLE: tuple[Detector, ...] = (
    behind("name", "pii", rf"\b{_TITLE}[.]? ", _NAME, trigger=UPPER),
    behind("name-stated", "pii", rf"\b(?i:{_STATED}) ", _NAME, _somebody, trigger=UPPER),
    behind("name-greeted", "pii", rf"\b(?:{_GREETING}),?\s", _NAME, _somebody, trigger=UPPER),
    behind(
        "street",
        "pii",
        "",
        rf"\b[0-9]{{1,6}}[A-Za-z]? {_WORDS}{_STREET}\b",
        trigger=rf"\b[0-9]{{1,6}}[A-Za-z]? {UPPER}",
    ),
    behind("street-de", "pii", "", rf"\b{UPPER}{LOWER}{{1,30}}(?:{_STREET_DE}) [0-9]{{1,4}}[a-z]?\b"),
    behind("street-fr", "pii", "", rf"\b[0-9]{{1,4}},? (?:{_STREET_FR}) (?:(?:de|du|des|la|le) ){{0,2}}{_WORD}"),
    behind("street-es", "pii", "", rf"\b(?:{_STREET_ES}) (?:(?:de|del|la) ){{0,2}}{_WORD},? [0-9]{{1,4}}\b"),
    behind("zip-us", "pii", "", rf"\b{_STATE} [0-9]{{5}}(?:-[0-9]{{4}})?\b"),
    behind("postcode-uk", "pii", "", r"\b[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}\b"),
    behind("phone-national", "pii", "", rf"(?:\b|[(]){_PHONE}\b", _possible_phone),
    behind("phone-named", "pii", rf"\b(?i:{_PHONE_WORDS})[^0-9A-Za-z\n]{{0,3}}", r"[0-9]{8,12}\b", _possible_phone),
)
"""Best effort, said so: see the module."""
