"""Which tokens are taken, and what a bad one costs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.adapters.access_tokens import AccessTokens
from amas_gateway.adapters.oidc_keys import OidcKeys
from amas_gateway.domain.token_rules import TokenProfile
from amas_gateway.telemetry import Instruments
from joserfc.jwk import OKPKey
from prometheus_client import CollectorRegistry

from .issuer import AUDIENCE, ISSUER, TestIssuer

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START.timestamp()


class Bench:
    """Real verification over a counting issuer."""

    def __init__(self) -> None:
        self.issuer = TestIssuer()
        self.clock = ManualClock(START)
        self.keys = OidcKeys(
            self.issuer,  # type: ignore[arg-type]
            self.clock,
            Instruments(CollectorRegistry()),
            interval=2.0,
            pause=self.pause,
        )
        self.tokens = AccessTokens(self.keys, TokenProfile(ISSUER, AUDIENCE, 5.0), self.clock)

    async def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def reason(self, token: str) -> str:
        """The reason for which a token is refused."""
        with pytest.raises(AmasError) as caught:
            await self.tokens.verify(token)
        assert caught.value.kind is ErrorKind.UNAUTHENTICATED
        return caught.value.reason


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    await bench.tokens.verify(bench.issuer.token(NOW))
    assert bench.issuer.asked == 1
    return bench


@pytest.mark.parametrize("algorithm", ["Ed25519", "ES256", "RS256", "PS256"])
async def test_good_tokens_are_taken(bench: Bench, algorithm: str) -> None:
    """Every asymmetric algorithm of the profile verifies, and the principal is the token's."""
    bench.issuer.add("second", algorithm)
    who = await bench.tokens.verify(bench.issuer.token(NOW, groups=["release-managers"], sub="p", tenant="globex"))
    assert (who.subject, who.tenant, who.issuer, who.key_id) == ("p", "globex", ISSUER, "second")
    assert who.roles == {"developer"}
    assert who.groups == ("release-managers",)


async def test_old_name_of_ed25519_is_taken(bench: Bench) -> None:
    """`EdDSA` and `Ed25519` name the same signature (RFC 9864), so an issuer may use either."""
    token = bench.issuer.token(NOW)
    header, claims, _ = token.split(".")
    head = {"typ": "at+jwt", "alg": "EdDSA", "kid": "first"}
    signed = f"{_encoded(head)}.{claims}"
    private = bench.issuer.keys["first"][0].private_key
    signature = base64.urlsafe_b64encode(private.sign(signed.encode())).rstrip(b"=").decode()
    assert (await bench.tokens.verify(f"{signed}.{signature}")).subject == "developer"
    assert header


def _encoded(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


BAD: dict[str, tuple[str, Callable[[TestIssuer], str]]] = {
    "expired": ("TOKEN_EXPIRED", lambda i: i.token(NOW - 7200)),
    "expired beyond the leeway": ("TOKEN_EXPIRED", lambda i: i.token(NOW, exp=int(NOW) - 6)),
    "not yet valid": ("TOKEN_NOT_YET_VALID", lambda i: i.token(NOW, nbf=int(NOW) + 60)),
    "issued in the future": ("TOKEN_NOT_YET_VALID", lambda i: i.token(NOW, iat=int(NOW) + 60)),
    "another issuer": ("TOKEN_ISSUER", lambda i: i.token(NOW, iss="https://evil.example")),
    "issuer with a slash more": ("TOKEN_ISSUER", lambda i: i.token(NOW, iss=ISSUER + "/")),
    "another audience": ("TOKEN_AUDIENCE", lambda i: i.token(NOW, aud="billing")),
    "no audience": ("TOKEN_AUDIENCE", lambda i: i.token(NOW, drop=("aud",))),
    "alg none": ("TOKEN_ALGORITHM", lambda i: i.unsigned(NOW)),
    "public key as an HMAC secret": ("TOKEN_ALGORITHM", lambda i: i.confused(NOW)),
    "signed by a stranger": ("TOKEN_SIGNATURE", lambda i: i.token(NOW, sign_with=OKPKey.generate_key("Ed25519"))),
    "claims changed": ("TOKEN_SIGNATURE", lambda i: _tampered(i.token(NOW), i.token(NOW, sub="admin"))),
    "an ID token": ("TOKEN_MALFORMED", lambda i: i.token(NOW, header={"typ": "JWT"})),
    "no typ": ("TOKEN_MALFORMED", lambda i: _with_header(i.token(NOW), {"alg": "Ed25519", "kid": "first"})),
    "critical header": ("TOKEN_MALFORMED", lambda i: _with_header(i.token(NOW), _CRITICAL)),
    "not a token": ("TOKEN_MALFORMED", lambda _: "not-a-token"),
    "five parts": ("TOKEN_MALFORMED", lambda _: "a.b.c.d.e"),
    "claims are a list": ("TOKEN_MALFORMED", lambda i: _with_claims(i.token(NOW), [])),
    "claims nested too deep": ("TOKEN_MALFORMED", lambda i: _raw_claims(i.token(NOW), b"[" * 6000)),
    "no tenant": ("TOKEN_CLAIMS", lambda i: i.token(NOW, drop=("tenant",))),
    "tenant that is a path": ("TOKEN_CLAIMS", lambda i: i.token(NOW, tenant="acme/../globex")),
    "no subject": ("TOKEN_CLAIMS", lambda i: i.token(NOW, drop=("sub",))),
    "no jti": ("TOKEN_CLAIMS", lambda i: i.token(NOW, drop=("jti",))),
    "no expiry": ("TOKEN_CLAIMS", lambda i: i.token(NOW, drop=("exp",))),
    "expiry for ever": ("TOKEN_CLAIMS", lambda i: _signed_raw(i, exp=1e308)),
    "roles as a text": ("TOKEN_CLAIMS", lambda i: i.token(NOW, roles="platform-admin")),
    "too many roles": ("TOKEN_CLAIMS", lambda i: i.token(NOW, roles=["r"] * 65)),
}
_CRITICAL = {"typ": "at+jwt", "alg": "Ed25519", "kid": "first", "crit": ["b64"], "b64": False}


def _tampered(token: str, other: str) -> str:
    header, _, signature = token.split(".")
    return ".".join((header, other.split(".")[1], signature))


def _with_header(token: str, header: dict[str, Any]) -> str:
    return ".".join((_encoded(header), *token.split(".")[1:]))


def _with_claims(token: str, claims: object) -> str:
    return _raw_claims(token, json.dumps(claims).encode())


def _raw_claims(token: str, claims: bytes) -> str:
    header, _, signature = token.split(".")
    return ".".join((header, base64.urlsafe_b64encode(claims).rstrip(b"=").decode(), signature))


def _signed_raw(issuer: TestIssuer, **claims: Any) -> str:
    return issuer.token(NOW, **claims)


@pytest.mark.parametrize("name", BAD)
async def test_bad_tokens_are_refused_with_their_reason(bench: Bench, name: str) -> None:
    """I11: each kind of bad token is refused with a precise reason, and costs the issuer nothing."""
    reason, make = BAD[name]
    assert await bench.reason(make(bench.issuer)) == reason
    assert bench.issuer.asked == 1


async def test_algorithm_is_the_keys_and_not_the_tokens(bench: Bench) -> None:
    """An RSA key that is published for RS256 does not verify PS256, although its mathematics could."""
    bench.issuer.add("rsa", "RS256")
    await bench.tokens.verify(bench.issuer.token(NOW))
    assert await bench.reason(bench.issuer.token(NOW, header={"alg": "PS256"})) == "TOKEN_ALGORITHM"


async def test_flood_of_unknown_keys_asks_the_issuer_once_an_interval(bench: Bench) -> None:
    """A thousand tokens with a thousand unknown key ids cause one fetch an interval, and each gets its 401."""
    tokens = [bench.issuer.token(NOW, key_id="first", header={"kid": f"unknown-{n}"}) for n in range(1000)]
    asked, begun = bench.issuer.asked, bench.clock.monotonic()
    reasons = await asyncio.gather(*(bench.reason(token) for token in tokens))
    assert set(reasons) == {"TOKEN_KEY_UNKNOWN"}
    intervals = 1 + (bench.clock.monotonic() - begun) // 2.0
    assert bench.issuer.asked - asked <= intervals <= 3


async def test_rotation_refuses_nobody(bench: Bench) -> None:
    """Tokens of the new key, right after a fetch, and of the old key, still published, are all taken."""
    old = bench.issuer.token(NOW)
    bench.issuer.add("second")
    new = bench.issuer.token(NOW)
    taken = await asyncio.gather(*(bench.tokens.verify(token) for token in [new, old] * 20))
    assert {who.key_id for who in taken} == {"first", "second"}
    assert bench.issuer.asked == 2


async def test_withdrawn_key_is_not_trusted(bench: Bench) -> None:
    """A key that the issuer no longer publishes stops verifying with the next fetch."""
    old = bench.issuer.token(NOW)
    bench.issuer.add("second")
    del bench.issuer.keys["first"]
    await bench.tokens.verify(bench.issuer.token(NOW))
    assert not bench.tokens.trusts("first")
    assert await bench.reason(old) == "TOKEN_KEY_UNKNOWN"
