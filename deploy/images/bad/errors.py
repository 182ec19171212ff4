"""Test material: an ai-router of which three in ten model calls fail, as UNAVAILABLE and as INTERNAL in turn."""

from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

from amas_after_import import after_import

# Of so many calls in a row so many fail, evenly spread: a canary with little traffic fails as often as one with much.
_CALLS = 10
_FAILING = frozenset({1, 4, 7})


def _spoil(name: str) -> None:
    calls = itertools.count()

    def change(module: ModuleType) -> None:
        kind = getattr(module, name)
        run = kind.run

        async def failing(self: Any, *arguments: Any) -> Any:
            from amas_chassis.errors import AmasError, ErrorKind

            number = next(calls)
            if number % _CALLS in _FAILING:
                kind_of_error = ErrorKind.INTERNAL if number % 2 else ErrorKind.UNAVAILABLE
                raise AmasError(kind_of_error, "BAD_RELEASE", "this release is bad on purpose")
            return await run(self, *arguments)

        kind.run = failing

    module = {"Complete": "complete", "StreamComplete": "stream_complete"}[name]
    after_import(f"amas_ai_router.usecases.{module}", change)


_spoil("Complete")
_spoil("StreamComplete")
