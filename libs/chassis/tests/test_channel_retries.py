"""What a plain channel asks again by itself: calls that a peer let go of, and none that we let go of."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from amas_chassis.errors import AmasError, ErrorKind

from .conftest import Loopback
from .echo import EchoRequest, EchoResponse, EchoServicer, echo_service
from .test_access import refusal

# Calls that wait at one peer when it stops: more than gRPC's usual throttle lets through.
QUEUED = 400


@pytest.mark.parametrize("kind", [ErrorKind.UNAVAILABLE, ErrorKind.CANCELLED])
async def test_a_call_that_the_peer_let_go_of_is_asked_again(loopback: Loopback, kind: ErrorKind) -> None:
    """A server that stops says CANCELLED to calls that no handler began; the caller does not notice."""
    asked: list[str] = []

    async def once(request: Any, _context: Any) -> Any:
        asked.append(request.text)
        if len(asked) == 1:
            raise AmasError(kind, "STOPPING", "this peer stops")
        return EchoResponse(text=request.text)

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=once))))
    assert (await client.stub.Echo(EchoRequest(text="x"))).text == "x"
    assert asked == ["x", "x"]


async def test_the_whole_queue_of_a_peer_that_stops_is_asked_again(loopback: Loopback) -> None:
    """Hundreds of calls that were under way are no sign that calls fail in general."""
    asked: set[str] = set()

    async def once(request: Any, context: Any) -> Any:
        if request.text not in asked:
            asked.add(request.text)
            await context.abort(grpc.StatusCode.CANCELLED)
        return EchoResponse(text=request.text)

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=once))))
    texts = [str(number) for number in range(QUEUED)]
    answers = await asyncio.gather(*(client.stub.Echo(EchoRequest(text=text), timeout=60) for text in texts))
    assert [answer.text for answer in answers] == texts


async def test_a_peer_that_lets_go_each_time_is_away(loopback: Loopback) -> None:
    """CANCELLED is no word for callers that cancelled nothing: they would hide it, or take it for their client's."""

    async def stopping(_request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.CANCELLED)

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=stopping))))
    shown = await refusal(client.stub.Echo(EchoRequest(text="x"), timeout=60))
    assert (shown.kind, shown.reason) == (ErrorKind.UNAVAILABLE, "RPC_CANCELLED")


async def test_an_answer_is_an_answer(loopback: Loopback) -> None:
    """Any other refusal is the caller's at once."""
    asked: list[str] = []

    async def refusing(request: Any, _context: Any) -> Any:
        asked.append(request.text)
        raise AmasError(ErrorKind.ABORTED, "FENCED", "another has the run")

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=refusing))))
    assert (await refusal(client.stub.Echo(EchoRequest(text="x")))).kind is ErrorKind.ABORTED
    assert asked == ["x"]


async def test_a_call_that_we_cancel_is_over(loopback: Loopback) -> None:
    """Its handler is cancelled, and no second one begins: the next call that the peer sees is the next one made."""
    seen: list[str] = []
    began, ended = asyncio.Event(), asyncio.Event()

    async def waiting(request: Any, _context: Any) -> Any:
        seen.append(request.text)
        if request.text == "next":
            return EchoResponse(text="next")
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=waiting))))
    call = asyncio.ensure_future(client.stub.Echo(EchoRequest(text="first"), timeout=60))
    await began.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await ended.wait()
    assert (await client.stub.Echo(EchoRequest(text="next"), timeout=60)).text == "next"
    assert seen == ["first", "next"]
