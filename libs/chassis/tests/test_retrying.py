"""Asking again: only who did not answer, only so often, and the last word is the caller's."""

from __future__ import annotations

import grpc
import pytest
from amas_chassis.errors import ErrorKind
from amas_chassis.retrying import MAX_TRIES, asked_again


def failure(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """As a stub raises it."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


class Peer:
    """Fails as told, then answers."""

    def __init__(self, *codes: grpc.StatusCode) -> None:
        self.codes = list(codes)
        self.asked = 0

    async def call(self) -> str:
        self.asked += 1
        if self.codes:
            raise failure(self.codes.pop(0))
        return "answered"


async def test_who_did_not_answer_is_asked_again() -> None:
    """Until there is an answer."""
    peer = Peer(*[grpc.StatusCode.UNAVAILABLE] * (MAX_TRIES - 1))
    assert await asked_again(peer.call, first_pause=0) == "answered"
    assert peer.asked == MAX_TRIES


async def test_tries_are_bounded() -> None:
    """The last failure is the caller's."""
    peer = Peer(*[grpc.StatusCode.UNAVAILABLE] * 100)
    with pytest.raises(grpc.aio.AioRpcError):
        await asked_again(peer.call, tries=3, first_pause=0)
    assert peer.asked == 3


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_an_answer_is_an_answer(code: grpc.StatusCode) -> None:
    """A refusal is not asked about twice, unless the caller counts it as passing."""
    peer = Peer(code)
    with pytest.raises(grpc.aio.AioRpcError):
        await asked_again(peer.call, first_pause=0)
    assert peer.asked == 1
    again = Peer(code)
    kinds = {ErrorKind.INVALID_ARGUMENT, ErrorKind.DEADLINE_EXCEEDED}
    assert await asked_again(again.call, first_pause=0, transient=kinds) == "answered"
