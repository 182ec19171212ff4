"""The platform of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .platform import Platform, platform


@pytest.fixture
async def amas(database: Any, certificates: Any, tmp_path: Path) -> AsyncIterator[Platform]:
    """Fake neighbours and a migrated database; the test starts the processes."""
    async with platform(database, certificates, tmp_path) as made:
        yield made
