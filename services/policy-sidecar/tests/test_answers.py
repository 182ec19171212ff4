"""DLP on answers: what callers see of a run is allowed, restored, pseudonymised, redacted or denied (I1, I7)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from amas_chassis.errors import AmasError
from amas_governance.dlp.pseudonyms import RunPseudonyms
from amas_policy_sidecar.adapters.bundle_store import BundleStore
from amas_policy_sidecar.usecases.inspect_answers import InspectAnswers

from .manifests import API, bundle, role, tool_server
from .world import World

# Shaped like real ones, and nobody's.
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
MAIL, CARD, NPI = "developer@example.com", "4111 1111 1111 1111", "NPI 1245319599"
SECRET = b"k" * 32


def orchestration(answers: Any) -> dict[str, Any]:
    """A run of one step, with these rules."""
    return {
        "apiVersion": API,
        "kind": "Orchestration",
        "metadata": {"name": "release"},
        "spec": {
            "version": "1.0.0",
            "input": {"schema": {"type": "object"}},
            "steps": [{"name": "only", "role": "publisher"}],
            "answers": answers,
        },
    }


class Callers:
    """Who sees the answers of a run of these rules."""

    def __init__(self, answers: Any = None, secret: bytes | None = SECRET) -> None:
        content = bundle(role("publisher", []), tool_server(), orchestration(answers or {}))
        self._world = World(bundle=content)
        bundles = BundleStore()
        bundles.put(content)
        self._inspect = InspectAnswers(bundles, secret=secret)

    def see(self, value: Any, **context: Any) -> tuple[Any, tuple[str, ...]]:
        """What is shown of a value, and what is denied of it."""
        acting = self._world.context(**{"orchestration": "release", "run_id": "run-1", **context})
        (result,) = self._inspect(acting, [json.dumps(value)])
        return result.shown, result.denied


@pytest.mark.parametrize(
    ("answers", "text", "shown"),
    [
        ({}, MAIL, MAIL),
        ({}, TOKEN, "[redacted:github-token]"),
        ({}, CARD, "[redacted:card]"),
        ({}, NPI, "NPI [redacted:us-npi]"),
        ({"phi": "allow", "pci": "allow"}, f"{NPI} {CARD}", f"{NPI} {CARD}"),
        ({"pii": "redact"}, MAIL, "[redacted:email]"),
        ({"pii": "redact", "detectors": {"email": "allow"}}, MAIL, MAIL),
        ({}, base64.b64encode(TOKEN.encode()).decode(), "[redacted:github-token]"),
    ],
)
def test_the_orchestration_says_what_callers_see(answers: Any, text: str, shown: str) -> None:
    """A detector before its category; where nothing is said, secrets, cards and health data are redacted."""
    assert Callers(answers).see({"text": f"Well: {text}"}) == ({"text": f"Well: {shown}"}, ())


def test_a_secret_that_is_split_over_an_answer_is_not_shown() -> None:
    """I7: neither half."""
    shown, _ = Callers().see([TOKEN[:15], TOKEN[15:]])
    assert TOKEN[:15] not in json.dumps(shown)
    assert TOKEN[15:] not in json.dumps(shown)


def test_what_is_denied_is_named_and_not_shown_on_the_way_either() -> None:
    """The whole is refused by who asked; until then nobody has seen the part."""
    assert Callers({"pii": "deny"}).see({"to": MAIL}) == ({"to": "[redacted:email]"}, ("pii/email",))


def test_pseudonyms_are_undone_for_those_who_may_see_the_values() -> None:
    """The role worked with tokens. Outright allowed: values. Nothing said, or another thing: tokens stay tokens."""
    token = RunPseudonyms(SECRET, "acme", "run-1").token("email", MAIL)
    assert Callers({"pii": "allow"}).see(f"Write to {token}") == (f"Write to {MAIL}", ())
    for answers in ({}, {"pii": "pseudonymise"}, {"pii": "redact"}, {"pii": "deny"}):
        assert Callers(answers).see(f"Write to {token}") == (f"Write to {token}", ())
    # Of another run it names nothing.
    assert Callers({"pii": "allow"}).see(token, run_id="run-2") == (token, ())


def test_a_value_gets_the_token_that_it_had_inside() -> None:
    """The same run, the same value, the same token; without a secret a mark stands there."""
    token = RunPseudonyms(SECRET, "acme", "run-1").token("email", MAIL)
    assert Callers({"pii": "pseudonymise"}).see(MAIL) == (token, ())
    assert Callers({"pii": "pseudonymise"}, secret=None).see(MAIL) == ("[redacted:email]", ())


def test_what_cannot_be_looked_through_is_not_shown() -> None:
    """Too many texts for the scanner: withheld as a whole, and denied."""
    shown, denied = Callers().see(["a"] * 20_001)
    assert (shown, denied) == ("[withheld: it cannot be looked through]", ("unscannable",))


def test_an_orchestration_that_the_bundle_has_not_shows_nothing() -> None:
    """No rules, no answer."""
    with pytest.raises(AmasError) as caught:
        Callers().see("x", orchestration="other")
    assert caught.value.reason == "ORCHESTRATION_UNKNOWN"
