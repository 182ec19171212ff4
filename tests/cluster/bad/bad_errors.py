"""An ai-router that fails every second model call, before a provider was asked."""

from __future__ import annotations

import itertools
import runpy
from typing import Any

from amas_ai_router.usecases.complete import Complete
from amas_chassis.errors import AmasError, ErrorKind

_good = Complete.run
_numbers = itertools.count()


async def _bad(self: Complete, request: Any) -> Any:
    if next(_numbers) % 2:
        raise AmasError(ErrorKind.UNAVAILABLE, "BAD_RELEASE", "This release fails every second call.")
    return await _good(self, request)


if __name__ == "__main__":
    Complete.run = _bad  # type: ignore[method-assign] # the fault that this release exists for
    runpy.run_module("amas_ai_router", run_name="__main__", alter_sys=True)
