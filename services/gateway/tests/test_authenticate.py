"""Verified tokens are remembered for as long as they hold, and no longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError
from amas_gateway.telemetry import Instruments
from amas_gateway.usecases import authenticate
from amas_gateway.usecases.authenticate import Authenticate
from prometheus_client import CollectorRegistry

from . import fakes
from .fakes import PRINCIPALS, FakeVerifier, RecordedDenials

START = datetime(2026, 1, 1, tzinfo=UTC)


class Bench:
    def __init__(self) -> None:
        self.verifier, self.denials, self.clock = FakeVerifier(), RecordedDenials(), ManualClock(START)
        self.instruments = Instruments(CollectorRegistry())
        self.authenticate = Authenticate(self.verifier, self.denials, self.clock, self.instruments)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    ends = replace(PRINCIPALS["developer"], expires_at=START.timestamp() + 60)
    monkeypatch.setitem(fakes.PRINCIPALS, "developer", ends)
    return Bench()


async def test_a_token_is_verified_once(bench: Bench) -> None:
    """The hot path verifies no signature twice; the scheme's case does not matter (RFC 9110)."""
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert (await bench.authenticate(f"{scheme} developer")).subject == "developer"
    assert bench.verifier.verified == 1


async def test_an_expired_token_is_forgotten(bench: Bench) -> None:
    """A remembered token ends with its expiry, to the second."""
    await bench.authenticate("Bearer developer")
    bench.clock.advance(59.9)
    await bench.authenticate("Bearer developer")
    bench.clock.advance(0.1)
    await bench.authenticate("Bearer developer")
    assert bench.verifier.verified == 2


async def test_a_withdrawn_key_takes_its_tokens_along(bench: Bench) -> None:
    """When the issuer withdraws a key, tokens that it signed are verified again and refused."""
    await bench.authenticate("Bearer developer")
    bench.verifier.trusted = False
    await bench.authenticate("Bearer developer")
    assert bench.verifier.verified == 2


async def test_memory_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many tokens are remembered; the longest unused goes first."""
    monkeypatch.setattr(authenticate, "MAX_CACHED_TOKENS", 2)
    for name in ("developer", "approver", "developer", "admin", "developer", "approver"):
        await bench.authenticate(f"Bearer {name}")
    assert bench.verifier.verified == 4


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "TOKEN_MISSING"),
        ("", "TOKEN_MISSING"),
        ("Basic ZGV2OnB3", "TOKEN_MISSING"),
        ("Bearer", "TOKEN_MISSING"),
        ("Bearer   ", "TOKEN_MISSING"),
        ("Bearer " + "x" * 20_000, "TOKEN_MALFORMED"),
        ("Bearer tök", "TOKEN_MALFORMED"),
        ("Bearer unknown", "TOKEN_SIGNATURE"),
    ],
)
async def test_refusals_are_recorded_and_not_remembered(bench: Bench, header: str | None, reason: str) -> None:
    """Every refusal is on record with its reason and trace, and holds nothing of the token."""
    for _ in range(2):
        with pytest.raises(AmasError) as caught:
            await bench.authenticate(header, "t" * 32)
        assert caught.value.reason == reason
    assert [(denial.reason, denial.principal, denial.trace_id) for denial in bench.denials.seen] == [
        (reason, "", "t" * 32)
    ] * 2
