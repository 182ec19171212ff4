from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from amas_audit.domain.signed_note import NoteSigner

from .fakes import MemoryLog
from .log_suite import CASES, Backend


class _Memory:
    def __init__(self, log: MemoryLog) -> None:
        self.log = self.reader = log


@pytest.mark.parametrize("case", CASES)
async def test_the_log_in_memory_keeps_the_ports_promises(
    case: Callable[[Backend], Awaitable[None]], signer: NoteSigner
) -> None:
    """What use cases are tested with behaves as the real log does."""
    await case(_Memory(MemoryLog(signer)))
