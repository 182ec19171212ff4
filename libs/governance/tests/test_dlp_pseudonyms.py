"""dlp: tokens that stand in for values within one run, and that only its key undoes."""

from __future__ import annotations

import pytest
from amas_governance.dlp import inspect_value
from amas_governance.dlp.pseudonyms import RunPseudonyms
from hypothesis import given
from hypothesis import strategies as st

SECRET = b"s" * 32
MAIL = "developer@example.com"


def run(number: int = 1, tenant: str = "acme", secret: bytes = SECRET) -> RunPseudonyms:
    return RunPseudonyms(secret, tenant, f"run-{number}")


@given(st.text(max_size=200))
def test_a_value_comes_back_from_its_token(value: str) -> None:
    """Whatever it is, and wherever the token stands."""
    token = run().token("email", value)
    assert run().restore({"to": [f"<b>{token}</b>"]}, lambda _: True) == {"to": [f"<b>{value}</b>"]}


def test_the_same_value_has_the_same_token_in_one_run_and_another_in_the_next() -> None:
    """An agent can tell two people apart; nobody can follow one person over runs, tenants or keys."""
    token = run().token("email", MAIL)
    assert token == run().token("email", MAIL)
    others = [run(2), run(tenant="other"), run(secret=b"t" * 32)]
    assert all(other.token("email", MAIL) != token for other in others)
    assert all(other.restore(token, lambda _: True) == token for other in others)


@given(st.integers(0, 60), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_changed_token_names_nothing(place: int, letter: str) -> None:
    """A model cannot make up a token, nor turn one into another."""
    token = run().token("email", MAIL)
    body = token.index(":") + 1 + place % (len(token) - token.index(":") - 3)
    changed = token[:body] + letter + token[body + 1 :]
    restored = run().restore(changed, lambda _: True)
    assert restored == changed or changed == token


def test_a_token_of_another_detector_or_one_that_is_not_allowed_stays() -> None:
    """What may be undone is for the contract to say, detector by detector."""
    token = run().token("email", MAIL)
    assert run().restore(token, lambda detector: detector != "email") == token
    forged = token.replace("<EMAIL:", "<US_SSN:")
    assert run().restore(forged, lambda _: True) == forged


def test_tokens_hold_nothing_that_detectors_see() -> None:
    """Else what is pseudonymised would be redacted on its next way out."""
    for number in range(200):
        assert inspect_value({"to": run(number).token("email", MAIL)}) == []


def test_a_short_secret_is_refused_and_a_key_never_shows() -> None:
    """Not even in a traceback that prints the object."""
    with pytest.raises(ValueError, match="at least"):
        RunPseudonyms(b"short", "acme", "run")
    assert "s" * 8 not in repr(run())
