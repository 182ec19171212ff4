"""Replacing the authority: three steps, after each of which old and new pods trust one another."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from amas_cli.certificates import is_issued_by, new_authority, new_certificate
from amas_cli.cluster.setup.__main__ import rotate, set_up
from amas_cli.cluster.setup.settings import SetupFile
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .memory_secrets import MemorySecrets

SETUP = SetupFile(release="amas", namespace="prod")
TLS = tuple(
    f"amas-{name}-tls" for name in ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit", "auditor")
)


@pytest.fixture
def store() -> MemorySecrets:
    made = MemorySecrets()
    set_up(SETUP, made)
    return made


def settle(store: MemorySecrets) -> None:
    """As if the last step were long ago."""
    current = store.secrets["amas-ca"]
    store.replace(current, {**current.data, "since": b"2026-01-01T00:00:00+00:00"})


def step(store: MemorySecrets) -> dict[str, dict[str, bytes]]:
    """The Secrets of the services after one more step."""
    rotate(SETUP, store, "authority", None)
    return {name: dict(store.secrets[name].data) for name in TLS}


def trusts(reader: dict[str, bytes], shown: dict[str, bytes]) -> bool:
    """Whether who has read one Secret takes the certificate of another."""
    roots = x509.load_pem_x509_certificates(reader["ca.crt"])
    return any(is_issued_by(shown["tls.crt"], root.public_bytes(Encoding.PEM)) for root in roots)


def test_between_any_two_steps_all_trust_all(store: MemorySecrets) -> None:
    """Pods read a step at different times: whoever has read it and whoever has not can talk to each other."""
    states = [{name: dict(store.secrets[name].data) for name in TLS}]
    old = store.secrets["amas-ca"].data["ca.crt"]
    for _ in range(3):
        states.append(step(store))
        if "since" in store.secrets["amas-ca"].data:
            settle(store)
    for before, after in itertools.pairwise(states):
        for one in TLS:
            for other in TLS:
                assert trusts(before[one], after[other])
                assert trusts(after[one], before[other])
    new = store.secrets["amas-ca"].data["ca.crt"]
    assert new != old
    assert set(store.secrets["amas-ca"].data) == {"ca.crt", "ca.key"}
    for name in TLS:
        assert states[-1][name]["ca.crt"] == new
        assert not trusts({"ca.crt": old}, states[-1][name])


def test_a_step_is_not_taken_before_pods_can_have_read_the_last_one(store: MemorySecrets) -> None:
    """Two steps at once would leave pods that trust nobody: it says how long to wait, and changes nothing."""
    step(store)
    before = dict(store.secrets)
    with pytest.raises(CliError, match="may not have read it") as refused:
        step(store)
    assert refused.value.exit_code is ExitCode.CONFLICT
    assert store.secrets == before


def test_a_step_that_was_cut_off_is_finished_before_the_next(store: MemorySecrets) -> None:
    """A job that died after the authority's Secret was written left others behind: those first, and the pause again."""
    behind = store.secrets["amas-audit-tls"]
    step(store)
    settle(store)
    store.replace(store.secrets["amas-audit-tls"], behind.data)
    step(store)
    assert "next.crt" in store.secrets["amas-ca"].data
    assert store.secrets["amas-audit-tls"].data["ca.crt"] == store.secrets["amas-gateway-tls"].data["ca.crt"]
    with pytest.raises(CliError, match="may not have read it"):
        step(store)


def test_what_is_made_or_renewed_meanwhile_trusts_both(store: MemorySecrets) -> None:
    """An upgrade or a renewal in the middle takes the step that is under way, and none of its own."""
    step(store)
    both = store.secrets["amas-gateway-tls"].data["ca.crt"]
    del store.secrets["amas-audit-tls"]
    set_up(SETUP, store)
    rotate(SETUP, store, "certificates", None)
    assert {store.secrets[name].data["ca.crt"] for name in TLS} == {both}
    assert "next.crt" in store.secrets["amas-ca"].data


def test_the_job_goes_on_by_itself_once_an_authority_nears_its_end(
    store: MemorySecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to remember: what renews certificates replaces their authority as well, a step each time."""
    rotate(SETUP, store, "certificates", 10)
    assert "since" not in store.secrets["amas-ca"].data
    monkeypatch.setattr("amas_cli.cluster.setup.authority.RENEW_BEFORE", dt.timedelta(days=400))
    rotate(SETUP, store, "certificates", 10)
    assert "next.crt" in store.secrets["amas-ca"].data
    rotate(SETUP, store, "certificates", 10)
    assert "next.crt" in store.secrets["amas-ca"].data
    settle(store)
    rotate(SETUP, store, "certificates", 10)
    assert "previous.crt" in store.secrets["amas-ca"].data


def test_an_authority_of_others_is_not_replaced(store: MemorySecrets) -> None:
    """A certificate that was put there by somebody else would be trusted by nobody afterwards."""
    authority = new_authority("theirs")
    pair = new_certificate(authority, "audit")
    store.put("amas-audit-tls", {"tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": authority.cert})
    with pytest.raises(CliError, match="amas-audit-tls was not made here"):
        step(store)
    assert "since" not in store.secrets["amas-ca"].data
