"""What a provider says of the caller's request reaches the caller as the OpenAI SDKs expect it."""

from __future__ import annotations

import json

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.entrypoints.model_api.openai_errors import openai_error, openai_status

WORDS = {"message": "too many tokens", "type": "invalid_request_error", "param": "messages", "code": "context_length"}


def refusal(status: str, words: str) -> AmasError:
    details = {"provider_status": status, "provider_error": words}
    return AmasError(ErrorKind.INVALID_ARGUMENT, "PROVIDER_REJECTED", "the provider refused", metadata=details)


def test_the_providers_own_words_and_status_are_passed_on() -> None:
    """A client that handles `context_length` from OpenAI handles it here."""
    error = refusal("413", json.dumps(WORDS))
    assert openai_status(error) == 413
    assert json.loads(openai_error(error)) == {"error": WORDS}


@pytest.mark.parametrize("words", ["", "nonsense", "[]", '"text"', '{"detail": "no message"}'])
def test_words_that_are_no_error_object_are_replaced_by_ours(words: str) -> None:
    """What a provider answers is never passed on unread."""
    body = json.loads(openai_error(refusal("400", words)))["error"]
    assert body["message"] == "the provider refused"
    assert body["code"] == "provider_rejected"


@pytest.mark.parametrize("status", ["401", "403", "500", "200", "x", ""])
def test_a_status_that_speaks_of_our_account_is_not_the_callers(status: str) -> None:
    """A caller is not told to log in because our key was refused."""
    assert openai_status(refusal(status, json.dumps(WORDS))) == 400


def test_only_that_reason_carries_words_of_a_provider() -> None:
    """Details of another error are not mistaken for a provider's."""
    error = AmasError(
        ErrorKind.UNAVAILABLE, "MODEL_UNAVAILABLE", "away", metadata={"provider_error": json.dumps(WORDS)}
    )
    assert json.loads(openai_error(error))["error"]["message"] == "away"
    assert openai_status(error) == 503


@pytest.mark.parametrize("reason", ["MODEL_KEY_MISSING", "MODEL_KEY_REFUSED"])
def test_our_key_at_a_provider_is_not_the_callers_conflict(reason: str) -> None:
    """A client can mend nothing there: it is told that what stands behind us failed."""
    error = AmasError(ErrorKind.FAILED_PRECONDITION, reason, "the key is not there")
    assert openai_status(error) == 502
    assert json.loads(openai_error(error))["error"]["type"] == "server_error"
