"""Page tokens."""

from __future__ import annotations

import base64

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.pagination import MAX_TOKEN_LENGTH, decode_token, encode_token
from hypothesis import given
from hypothesis import strategies as st

_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=20)


@given(st.dictionaries(st.text(max_size=10), _SCALARS, max_size=5))
def test_a_token_reads_back_as_it_was_written(cursor: dict[str, object]) -> None:
    """What a service put into a token it gets back, and the token is safe in a URL."""
    token = encode_token(cursor)
    assert decode_token(token) == cursor
    assert token.replace("-", "").replace("_", "").isalnum()


def test_the_empty_token_is_the_first_page() -> None:
    """Asking without a token starts at the beginning."""
    assert decode_token("") == {}


@pytest.mark.parametrize(
    "token",
    [
        "a",
        "!!!!",
        "AAAA\n",
        base64.urlsafe_b64encode(b"[1]").decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 3000).decode(),
        "A" * (MAX_TOKEN_LENGTH + 1),
    ],
)
def test_a_token_that_we_did_not_write_is_a_clear_error(token: str) -> None:
    """A made-up token is INVALID_ARGUMENT with the field named, never a crash."""
    with pytest.raises(AmasError) as caught:
        decode_token(token)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    assert caught.value.violations[0].field == "page_token"
