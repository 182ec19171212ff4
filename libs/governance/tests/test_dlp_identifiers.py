"""dlp: identifiers of the common countries, health numbers, vendors' tokens; near misses are left alone."""

from __future__ import annotations

import phonenumbers
import pytest
from amas_governance.dlp import DETECTORS, scan
from amas_governance.dlp.people import _DATE, _possible_phone
from amas_governance.dlp.scanning import DEEP
from amas_governance.dlp.vendor_tokens import VENDOR_TOKENS
from hypothesis import given
from hypothesis import strategies as st

# Numbers that the authorities publish as examples, or made up with a right check digit.
STRUCTURED = {
    "be-national-number": "85.07.30-033.28",
    "br-cpf": "390.533.447-05",
    "ca-sin": "123-456-782",
    "ch-ahv": "756.9217.0769.85",
    "cn-resident-id": "360426199101010071",
    "es-dni": "54362315K",
    "es-nie": "X2482300W",
    "fi-hetu": "131052-308T",
    "fr-nir": "2 95 10 99 126 111 93",
    "in-aadhaar": "2341 2341 2346",
    "in-pan": "ACUPA7085R",
    "it-codice-fiscale": "RCCMNL83S18D969H",
    "kr-rrn": "971013-9019902",
    "mx-curp": "BOXW310820HNERXN09",
    "se-personnummer": "880320-0016",
    "uk-nino": "AB 12 34 56 C",
    "us-itin": "912-90-3456",
    "us-mbi": "1EG4-TE5-MK73",
    "us-ssn": "536-90-4399",
}
BESIDE_A_WORD = {
    "card-maestro": "card 676169404099",
    "at-vnr": "SVNR 1237 010180",
    "au-tfn": "TFN: 123456782",
    "bg-egn": "EGN 7523169263",
    "cz-rc": "rodné číslo 710319/2745",
    "de-tax-id": "Steuer-ID: 36574261809",
    "dk-cpr": "CPR nr. 211062-5629",
    "gr-amka": "AMKA 01013099997",
    "hr-oib": "OIB: 33392005961",
    "ie-pps": "PPSN 6433435F",
    "il-id": "Identity number 039337423",
    "nl-bsn": "BSN 111222333",
    "no-fodselsnummer": "fødselsnummer 15108695088",
    "pl-pesel": "PESEL: 44051401359",
    "pt-nif": "NIF 501964843",
    "ro-cnp": "CNP 1630615123457",
    "tr-kimlik": "Kimlik No: 17291716060",
    "za-id": "ID number 7503305044089",
    "passport": "passport no. C01X00T47",
    "driver-license": "driver's license D1234567",
    "bank-account": "account number 12345678",
    "uk-nhs": "NHS number 943 476 5919",
    "us-npi": "NPI 1234567893",
    "us-dea": "DEA AB1234563",
    "au-medicare": "Medicare 2123 45670 1",
    "de-kvnr": "Versichertennummer A123456780",
    "medical-record": "MRN 12345-67",
    "icd-10": "diagnosis: J45.909",
    "password": "my password is: " + "Tr0ub4dor3xyzQ9",
}


def names(text: str, *, deep: bool) -> set[str]:
    return {finding.detector for finding in scan(text, deep=deep)}


@pytest.mark.parametrize(("detector", "text"), STRUCTURED.items())
def test_an_identifier_with_a_form_of_its_own_is_found(detector: str, text: str) -> None:
    """Its written form and its check digit are enough, also on streams."""
    assert detector in names(f"see {text}, thanks", deep=False)


@pytest.mark.parametrize(("detector", "text"), BESIDE_A_WORD.items())
def test_a_bare_number_is_found_beside_the_word_that_names_it(detector: str, text: str) -> None:
    """And not without that word: any number would do."""
    assert detector in names(f"see {text}, thanks", deep=True)
    number = text.split(": ")[-1].split(" ", 1)[-1] if detector != "password" else text.split(": ")[-1]
    assert detector not in names(f"see {number}, thanks", deep=True)


@pytest.mark.parametrize(
    ("detector", "text"),
    [
        ("br-cpf", "390.533.447-06"),
        ("ca-sin", "123-456-783"),
        ("ch-ahv", "756.9217.0769.86"),
        ("cn-resident-id", "360426199101010072"),
        ("es-dni", "54362315L"),
        ("fi-hetu", "131052-308U"),
        ("in-aadhaar", "2341 2341 2347"),
        ("it-codice-fiscale", "RCCMNL83S18D969A"),
        ("nl-bsn", "BSN 111222334"),
        ("pl-pesel", "PESEL: 44051401358"),
        ("us-npi", "NPI 1234567890"),
        ("us-dea", "DEA AB1234567"),
        ("uk-nhs", "NHS number 943 476 5918"),
        ("au-medicare", "Medicare 2123 45671 1"),
        ("de-kvnr", "Versichertennummer A123456781"),
        ("password", "password: see the handbook"),
        ("password", "token: aaaaaaaaaaaaaaaaaaaaaaaa"),
        ("name-greeted", "Hello team, hi all"),
        ("phone-national", "on 2026-11-23 at 09:44"),
    ],
)
def test_a_wrong_check_digit_or_a_word_is_no_finding(detector: str, text: str) -> None:
    """A detector that cries wolf gets switched off."""
    assert detector not in names(text, deep=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dear Ada Lovelace, thanks", "Ada Lovelace"),
        ("my name is Zoë Müller-Lüdenscheidt and", "Zoë Müller-Lüdenscheidt"),
        ("ask Dr. Grace Hopper today", "Grace Hopper"),
        ("at 221b Baker Street now", "221b Baker Street"),
        ("Hauptstraße 12, Berlin", "Hauptstraße 12"),
        ("12, rue de la Paix", "12, rue de la Paix"),
        ("Springfield, IL 62701", "IL 62701"),
        ("SW1A 1AA", "SW1A 1AA"),
        ("or (212) 555-1234 x22", "(212) 555-1234 x22"),
        ("call 02071234567", "02071234567"),
    ],
)
def test_names_addresses_and_telephones_with_a_sign_beside_them_are_found(text: str, expected: str) -> None:
    """Best effort: a title, a greeting, the form of a street; the finding is the value alone."""
    assert expected in {text[finding.start : finding.end] for finding in scan(text, deep=True)}


@pytest.mark.parametrize("detector", sorted(VENDOR_TOKENS))
def test_each_shape_of_a_vendors_token_is_found(detector: str) -> None:
    """The prefix and the shortest rest; one character less is no token."""
    fillers = b"a", b"A", b"0"
    for shape in VENDOR_TOKENS[detector]:
        prefix = b"".join(shape.parts).replace(b"\\", b"").decode()
        filler = next(c for c in fillers if c in shape.tail or b"a-z" in shape.tail or c == b"0").decode()
        assert detector in names(f"x {prefix}{filler * shape.least} y", deep=False)
        assert detector not in names(f"x {prefix}{filler * (shape.least - 1)} y", deep=False)


def test_names_of_detectors_are_unique() -> None:
    """A name is what rules and counts go by."""
    every = [detector.name for detector in DEEP]
    assert len(set(every)) == len(every) > len(DETECTORS)


@given(st.from_regex(r"[(]?[2-9][0-9]{2}[)]?[ ./-]{0,2}[0-9]{3}[ ./-]{0,2}[0-9]{4}", fullmatch=True))
def test_ten_digits_are_a_number_for_the_library_too(text: str) -> None:
    """The short way to an answer, which most numbers take, is the library's answer."""
    expected = not _DATE.match(text)
    assert phonenumbers.is_possible_number(phonenumbers.parse(text, "US"))
    assert _possible_phone(text) is expected
