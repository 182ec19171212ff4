"""A credential that comes back is hidden, in every form that a program writes it in by itself."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from amas_policy_sidecar.adapters.credential_masks import MASK, CredentialMask

SECRET = 'sw0rd/fish+27"18<é'


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "encode",
    [
        str,
        quote,
        quote_plus,
        lambda text: quote(text, safe="").lower(),
        html.escape,
        json.dumps,
        lambda text: json.dumps(json.dumps(text)),
        repr,
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: text.encode().hex(":"),
        _base64,
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: base64.b32encode(text.encode()).decode(),
        lambda text: _base64(f"user:{text}"),
        lambda text: _base64(f"x{text} and more"),
        lambda text: _base64(f"xy{text}!"),
    ],
)
def test_every_form_is_masked(encode: Callable[[str], str]) -> None:
    """Within other text, however it is encoded; what stands around it stays."""
    masked = CredentialMask([SECRET]).text(f"before {encode(SECRET)} after")
    assert MASK in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    # Of an encoded text with neighbours a character or two remain, which say nothing.
    assert len(masked) <= len(f"before {MASK} after") + 16


def test_the_token_of_a_header_is_masked_alone() -> None:
    """`Bearer <token>`: the token is as secret as the whole."""
    assert CredentialMask(["Bearer swordfish-1234"]).text("got swordfish-1234") == f"got {MASK}"


def test_values_inside_json_are_masked() -> None:
    """Strings at every depth, names of members too; other values are untouched."""
    mask = CredentialMask(["swordfish"])
    assert mask.value({"swordfish": [1, None, {"a": "x swordfish"}]}) == {MASK: [1, None, {"a": f"x {MASK}"}]}


def test_a_short_value_masks_no_ordinary_text() -> None:
    """Three letters would be found everywhere."""
    assert CredentialMask(["abc"]).text("abc abcd") == "abc abcd"
