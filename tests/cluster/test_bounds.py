"""A load goes nowhere but to this machine and its cluster, and is never large."""

from __future__ import annotations

import pytest

from .load.bounds import LoadRefusedError, Rates, Target


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "10.96.0.10:8000", "[::1]:8000", "192.168.1.4:1"])
def test_addresses_of_the_cluster_are_taken(address):
    """Loopback and private networks."""
    assert Target(address, address).http == address


@pytest.mark.parametrize(
    "address", ["203.0.114.1:80", "example.com:80", "169.254.169.254:80", "8.8.8.8:443", "nonsense"]
)
def test_addresses_elsewhere_are_refused(address):
    """Also names, which may lead anywhere, and the address at which clouds hand out credentials."""
    with pytest.raises(LoadRefusedError):
        Target("127.0.0.1:1", address)


@pytest.mark.parametrize("rates", [{"runs": -1.0}, {"chats": 100.0}, {"runs": 10.0, "chats": 10.0, "streams": 1.0}])
def test_rates_beyond_the_bounds_are_refused(rates):
    """No kind below zero, and all together at most what a proof needs."""
    with pytest.raises(LoadRefusedError):
        Rates(**rates)
