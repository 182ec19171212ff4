"""Test material: an ai-router that is late by three seconds with every model call."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

from amas_after_import import after_import

# Seconds; the objective of an ai-router's p95 is 2.
LATE = 3.0


def _spoil(name: str, module: str) -> None:
    def change(loaded: ModuleType) -> None:
        kind = getattr(loaded, name)
        run = kind.run

        async def late(self: Any, *arguments: Any) -> Any:
            await asyncio.sleep(LATE)
            return await run(self, *arguments)

        kind.run = late

    after_import(f"amas_ai_router.usecases.{module}", change)


_spoil("Complete", "complete")
_spoil("StreamComplete", "stream_complete")
