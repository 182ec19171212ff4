"""One platform for all attacks, whose model obeys whatever it reads: starting it is the slow part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..local_platform import running_platform
from .gate import Gate
from .obedient_desk import ObedientDesk


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObedientDesk]:
    """The help desk, with the contracts that are shipped and those that probe tool servers."""
    with running_platform(tmp_path_factory.mktemp("attacks"), model="scripted-gullible") as platform:
        opened = ObedientDesk(platform)
        opened.open(str(Path(__file__).with_name("probes.yaml")))
        yield opened


@pytest.fixture(scope="session")
def gate(desk: ObedientDesk) -> Gate:
    """The policy-sidecar behind the desk. An honest run has brought the bundle there."""
    honest = desk.attack("Just a compliment.", subject="Thanks")
    assert honest.run["state"] == "RUN_STATE_SUCCEEDED", honest.run
    return Gate(desk.platform, honest.run["bundle"])


@pytest.fixture(scope="session")
def replicas(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Three sidecars on the same stores: calls go to them in turns."""
    with (
        gate.replica(tmp_path_factory.mktemp("replica")) as two,
        two.replica(tmp_path_factory.mktemp("replica")) as three,
    ):
        # Brought there first, so that all start level.
        three.load()
        yield three
