"""Turns a failed call to a service on the right into an AmasError, and ends streams that nobody reads any more.

What a service said with a reason of ours is passed on. What the transport says (addresses, TLS texts) is logged and
replaced: a client learns that something was away, never where it stands.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import grpc
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.rpc_errors import from_rpc_error

_log = logging.getLogger(__name__)

_SENTENCES = {
    ErrorKind.UNAVAILABLE: "is not available at the moment.",
    ErrorKind.DEADLINE_EXCEEDED: "did not answer in time.",
    ErrorKind.RESOURCE_EXHAUSTED: "answered with too much, or was asked for too much.",
}


AWAY = f"UPSTREAM_{ErrorKind.UNAVAILABLE}"
"""Reason of a call that found nobody; a service that is there and cannot serve says a reason of its own."""
LATE = f"UPSTREAM_{ErrorKind.DEADLINE_EXCEEDED}"
"""Reason of a call that was not answered in time."""


class StreamCall(Protocol):
    """A server stream under way, as far as it is ended here."""

    def cancel(self) -> bool: ...


# Kinds without a reason of ours that may be passed on as they are; all else is a fault between us and the service.
_RETRYABLE = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED})


@contextmanager
def errors_of(service: str) -> Iterator[None]:
    """Translates the AioRpcError of the calls inside."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise translated(service, error) from error


def translated(service: str, error: grpc.aio.AioRpcError) -> AmasError:
    """The error that a client may see."""
    told = from_rpc_error(error)
    if not told.reason.startswith("RPC_") and told.kind is not ErrorKind.INTERNAL:
        return told
    _log.warning("call to %s failed: %s", service, error.details(), extra={"code": error.code().name})
    if told.kind not in _SENTENCES:
        return AmasError(ErrorKind.INTERNAL, "UPSTREAM_FAILED", f"The {service} service could not answer.")
    return _failed(service, told.kind, 1.0 if told.kind in _RETRYABLE else None)


def away(service: str, retry_after: float) -> AmasError:
    """The error of a call that was not made, since nobody would answer; `retry_after` is in seconds."""
    return _failed(service, ErrorKind.UNAVAILABLE, retry_after)


def _failed(service: str, kind: ErrorKind, retry_after: float | None) -> AmasError:
    return AmasError(kind, f"UPSTREAM_{kind}", f"The {service} service {_SENTENCES[kind]}", retry_after=retry_after)


@contextmanager
def stream_of(service: str, call: StreamCall) -> Iterator[None]:
    """Around the reading of a server stream: translates its errors, and cancels it on the other side at the end."""
    try:
        with errors_of(service):
            yield
    finally:
        call.cancel()
