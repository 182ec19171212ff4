"""When the issuer is asked for its keys, and what holds while it does not answer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.adapters import oidc_keys
from amas_gateway.adapters.key_set import parse_key_set
from amas_gateway.adapters.oidc_keys import OidcKeys
from amas_gateway.telemetry import Instruments
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from prometheus_client import CollectorRegistry

from .issuer import TestIssuer


class Ticks:
    """A pause that the test releases, one at a time."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: asyncio.Queue[float] = asyncio.Queue()
        self.go: asyncio.Queue[None] = asyncio.Queue()

    async def pause(self, seconds: float) -> None:
        self.asked.put_nowait(seconds)
        await self.go.get()
        self.clock.advance(seconds)


def keys_over(issuer: TestIssuer) -> tuple[OidcKeys, Ticks]:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    ticks = Ticks(clock)
    keys = OidcKeys(issuer, clock, Instruments(CollectorRegistry()), interval=2.0, pause=ticks.pause)  # type: ignore[arg-type]
    return keys, ticks


async def test_refreshed_ahead_of_expiry() -> None:
    """The set is fetched again before its life ends, so that no request waits for a fetch."""
    issuer = TestIssuer()
    issuer.max_age = 1000
    keys, ticks = keys_over(issuer)
    running = asyncio.create_task(keys.run())
    assert await ticks.asked.get() == pytest.approx(700)
    ticks.go.put_nowait(None)
    assert await ticks.asked.get() == pytest.approx(700)
    assert issuer.asked == 2
    running.cancel()


@pytest.mark.parametrize(("said", "life"), [(1, 60.0), (10**8, 3600.0), (None, 300.0)])
async def test_issuer_cannot_choose_absurd_lives(said: int | None, life: float) -> None:
    """`max-age` is held between a minute and an hour: neither a storm of fetches nor keys for ever."""
    issuer = TestIssuer()
    issuer.max_age = said
    keys, ticks = keys_over(issuer)
    running = asyncio.create_task(keys.run())
    assert await ticks.asked.get() == pytest.approx(life * oidc_keys.REFRESH_AT)
    running.cancel()


async def test_outage_of_the_issuer_does_not_stop_requests() -> None:
    """While the issuer is away, known keys go on for the grace; after it nothing is verified (fail closed)."""
    issuer = TestIssuer()
    keys, ticks = keys_over(issuer)
    assert await keys.find("first") is not None
    issuer.down = True
    ticks.clock.advance(oidc_keys.DEFAULT_LIFE + oidc_keys.GRACE_SECONDS - 1)
    assert await keys.find("first") is not None
    ticks.clock.advance(2)
    assert not keys.knows("first")
    with pytest.raises(AmasError) as caught:
        await keys.find("first")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    with pytest.raises(AmasError):
        await keys.check()


async def test_waiting_requests_are_bounded() -> None:
    """Between two fetches at most MAX_WAITING unknown key ids wait; the next is refused at once."""
    issuer = TestIssuer()
    keys, ticks = keys_over(issuer)
    await keys.find("first")
    waiting = [asyncio.create_task(keys.find(f"k{n}")) for n in range(oidc_keys.MAX_WAITING)]
    assert await ticks.asked.get() == pytest.approx(2.0)
    assert await keys.find("one too many") is None
    assert not any(task.done() for task in waiting)
    ticks.go.put_nowait(None)
    assert await asyncio.gather(*waiting) == [None] * oidc_keys.MAX_WAITING
    assert issuer.asked == 2


async def test_client_that_leaves_does_not_end_the_fetch_for_others() -> None:
    """A cancelled request among those that share a fetch leaves the others their answer."""
    issuer = TestIssuer()
    keys, ticks = keys_over(issuer)
    await keys.find("first")
    issuer.add("second")
    leaving, staying = (asyncio.create_task(keys.find("second")) for _ in range(2))
    await ticks.asked.get()
    leaving.cancel()
    ticks.go.put_nowait(None)
    assert await staying is not None


def test_unsafe_keys_are_left_out() -> None:
    """Symmetric, private, weak and foreign keys in the set can never verify a token."""
    good = OKPKey.generate_key("Ed25519").as_dict(private=False)
    entries = {
        "secret": OctKey.generate_key(256).as_dict(private=True),
        "private": OKPKey.generate_key("Ed25519").as_dict(private=True),
        "encryption": {**good, "use": "enc"},
        "other operations": {**good, "key_ops": ["sign"]},
        "other algorithm": {**good, "alg": "ES256"},
        "symmetric algorithm": {**good, "alg": "HS256"},
        "other curve": ECKey.generate_key("P-384").as_dict(private=False),
        "agreement": OKPKey.generate_key("X25519").as_dict(private=False),
        "nonsense": {"kty": "OKP", "crv": "Ed25519", "x": "!"},
        "good": good,
    }
    document = {"keys": [{**entry, "kid": name} for name, entry in entries.items()]}
    assert set(parse_key_set(document)) == {"good"}


def test_weak_rsa_is_left_out(recwarn: pytest.WarningsRecorder) -> None:
    """1024 bits can be factored: such a key verifies nothing."""
    weak = RSAKey.generate_key(1024, auto_kid=False).as_dict(private=False)
    recwarn.clear()
    assert parse_key_set({"keys": [{**weak, "kid": "weak"}]}) == {}


@pytest.mark.parametrize("document", [{}, {"keys": 1}, {"keys": [1]}, {"keys": [{}] * 65}])
def test_other_documents_are_refused(document: dict[str, object]) -> None:
    """What is no key set does not replace the one that is known."""
    with pytest.raises(ValueError, match="key"):
        parse_key_set(document)
