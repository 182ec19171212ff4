"""One platform for all end-to-end tests: starting it is the slow part."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..gateway_client import GatewayClient
from ..local_platform import LocalPlatform, running_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    """A ready platform with the shipped resources applied."""
    with running_platform(tmp_path_factory.mktemp("platform")) as started:
        started.apply_release_notes()
        yield started


@pytest.fixture
def clean(platform: LocalPlatform) -> Iterator[str]:
    """HEAD of the working copy before the test; taken back after it."""
    head = platform.git("rev-parse", "HEAD")
    yield head
    platform.reset_repository(head)


@pytest.fixture(scope="session")
def developer(platform: LocalPlatform) -> GatewayClient:
    """The REST API as the developer."""
    return GatewayClient(platform.status()["endpoints"]["api"], platform.token("developer"))


@pytest.fixture(scope="session")
def release_manager(platform: LocalPlatform) -> GatewayClient:
    """The REST API as the release manager, who may approve."""
    return GatewayClient(platform.status()["endpoints"]["api"], platform.token("release-manager"))


@pytest.fixture(scope="session")
def auditor(platform: LocalPlatform) -> GatewayClient:
    """The REST API as the auditor."""
    return GatewayClient(platform.status()["endpoints"]["api"], platform.token("auditor"))


@pytest.fixture(scope="session")
def stranger(platform: LocalPlatform) -> GatewayClient:
    """The REST API as a developer of another tenant."""
    return GatewayClient(platform.status()["endpoints"]["api"], platform.token("other-developer"))
