"""Signatures that others can check: the package of the Standard Webhooks project verifies ours."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from amas_orchestrator.domain.standard_webhooks import headers, parse_secret
from standardwebhooks import Webhook, WebhookVerificationError

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"x" * 32).decode()
BODY = '{"type":"approval.requested","data":{"é":1}}'.encode()


def test_the_projects_own_package_takes_our_signature() -> None:
    """While a secret is rotated both its owners verify; nobody else, and nothing that was changed."""
    signed = headers([parse_secret(OLD), parse_secret(NEW)], "msg_1", datetime.now(UTC), BODY)
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(BODY, signed)["type"] == "approval.requested"
    for secret, body, sent in (
        (OTHER, BODY, signed),
        (OLD, BODY.replace(b"1", b"2"), signed),
        (OLD, BODY, {**signed, "webhook-id": "msg_2"}),
        (OLD, BODY, {**signed, "webhook-timestamp": str(int(signed["webhook-timestamp"]) + 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, sent)


def test_the_example_of_the_specification() -> None:
    """Byte for byte what the reference implementations make of the specification's example."""
    key = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = headers(
        [key], "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret", ["", "secret", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"short").decode()]
)
def test_a_secret_that_is_none_is_refused_without_repeating_it(secret: str) -> None:
    """A file with something else in it signs nothing, and does not end up in a log."""
    with pytest.raises(ValueError, match="a webhook secret") as refused:
        parse_secret(secret)
    assert "short" not in str(refused.value)
