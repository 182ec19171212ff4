"""An ai-router that answers right, and too late: beyond the 2 s of the objective."""

from __future__ import annotations

import asyncio
import runpy
from typing import Any

from amas_ai_router.usecases.complete import Complete

DELAY_S = 3.0

_good = Complete.run


async def _bad(self: Complete, request: Any) -> Any:
    await asyncio.sleep(DELAY_S)
    return await _good(self, request)


if __name__ == "__main__":
    Complete.run = _bad  # type: ignore[method-assign] # the fault that this release exists for
    runpy.run_module("amas_ai_router", run_name="__main__", alter_sys=True)
