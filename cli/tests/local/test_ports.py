import socket
from collections.abc import Iterator

import pytest
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.ports import INTERNAL, PUBLIC, internal_ports, is_free, public_ports, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_public_ports_stay_put() -> None:
    """A newcomer finds the API where the documents say."""
    assert public_ports(7080) == {"http": 7080, "grpc": 7081, "issuer": 7082, "scripted-model": 7083, "audit-log": 7084}


def test_base_zero_gives_free_ports_that_differ() -> None:
    """Several platforms can stand side by side."""
    ports = public_ports(0)
    assert set(ports) == set(PUBLIC)
    assert len(set(ports.values())) == len(PUBLIC)
    assert all(is_free(port) for port in ports.values())


@pytest.mark.parametrize("base", [-1, 80, 1023, 65533, 99999])
def test_an_impossible_base_is_bad_usage(base: int) -> None:
    """A wrong option is told apart from a port in use."""
    with pytest.raises(CliError) as refused:
        public_ports(base)
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_port_in_use_is_named_with_the_option(taken: int) -> None:
    """The sentence says which port and what to do."""
    with pytest.raises(CliError) as refused:
        require_free({"http": taken})
    assert str(taken) in refused.value.message
    assert "http" in refused.value.message
    assert "--port-base" in refused.value.next_step
    assert refused.value.exit_code is ExitCode.CONFLICT


def test_internal_ports_are_kept_between_starts() -> None:
    """What was free stays the same, so that a warm start rewrites nothing."""
    first = internal_ports({}, avoid=())
    assert set(first) == set(INTERNAL)
    assert internal_ports(first, avoid=()) == first


def test_an_internal_port_that_was_taken_meanwhile_is_replaced(taken: int) -> None:
    """A stranger on an old port does not keep the platform from starting."""
    first = internal_ports({}, avoid=())
    again = internal_ports({**first, "valkey": taken}, avoid=())
    assert again["valkey"] != taken
    assert {**again, "valkey": 0} == {**first, "valkey": 0}


def test_internal_ports_keep_away_from_public_ones() -> None:
    """No port is given out twice."""
    first = internal_ports({}, avoid=())
    again = internal_ports(first, avoid=[first["postgres"]])
    assert first["postgres"] not in again.values()
