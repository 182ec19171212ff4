"""Hands a bundle to a service that says it does not know it, and asks that service again: once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
from amas_chassis.errors import AmasError
from amas_chassis.rpc_errors import from_rpc_error

_T = TypeVar("_T")
BUNDLE_UNKNOWN = "BUNDLE_UNKNOWN"

Content = Callable[[str, str], Awaitable[bytes]]
"""Content of a tenant's bundle by its digest; raises AmasError when there is none."""


async def called(call: Callable[[], Awaitable[_T]]) -> _T:
    """The answer of a call, or its failure as an AmasError."""
    try:
        return await call()
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


async def with_bundle(call: Callable[[], Awaitable[_T]], load: Callable[[], Awaitable[object]]) -> _T:
    """The answer of a call; if the bundle is unknown there, loads it and calls once more."""
    try:
        return await called(call)
    except AmasError as error:
        if error.reason != BUNDLE_UNKNOWN:
            raise
    await called(load)
    return await called(call)
