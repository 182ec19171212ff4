"""Calls of a client, and what it sees of each in the words of the page."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

import grpc
import orjson
from amas.common.v1 import identity_pb2
from amas.router.v1 import router_pb2 as pb
from amas_chassis.rpc_errors import from_rpc_error

from .provider_scripts import TEXT
from .routes import BODY

# A client's patience, in seconds: a call that takes longer fails the test.
PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make. Each has a tenant of its own, so that nobody else's money or records are seen."""

    tenant: str
    route: str
    stream: bool
    principal: str = "developer"
    key: str = ""

    def context(self, bundle: str) -> pb.CallContext:
        """Who calls."""
        principal = identity_pb2.Principal(
            subject=self.principal, issuer="https://issuer.test", tenant=self.tenant, roles=["developer"]
        )
        return pb.CallContext(principal=principal, bundle=bundle, idempotency_key=self.key)


@dataclass(frozen=True, slots=True)
class Seen:
    """`sees` is the page's cell; `report` how it was served, None for an error; `pushback` the library's retry hint."""

    sees: str
    report: pb.CallReport | None
    pushback: str


async def make_call(stub: Any, bundle: str, call: Call, begun: asyncio.Event | None = None) -> Seen:
    """Makes a call to its end; `begun` is set when the first chunk of a stream is here."""
    message = pb.StreamCompleteRequest if call.stream else pb.CompleteRequest
    request: Any = message(context=call.context(bundle), route=call.route, body=BODY)
    try:
        return await (_streamed(stub, request, begun) if call.stream else _whole(stub, request))
    except grpc.aio.AioRpcError as rpc_error:
        trailers = dict(rpc_error.trailing_metadata() or ())
        return Seen(_error(rpc_error), None, str(trailers.get("grpc-retry-pushback-ms", "")))


async def _whole(stub: Any, request: pb.CompleteRequest) -> Seen:
    response = await stub.Complete(request, timeout=PATIENCE)
    text = orjson.loads(response.body)["choices"][0]["message"]["content"]
    return Seen(_text(text), response.report, "")


async def _streamed(stub: Any, request: pb.StreamCompleteRequest, begun: asyncio.Event | None) -> Seen:
    text = ""
    async for part in stub.StreamComplete(request, timeout=PATIENCE):
        kind = part.WhichOneof("part")
        if kind == "chunk":
            if begun is not None:
                begun.set()
            choices = orjson.loads(part.chunk)["choices"]
            text += "".join(choice["delta"].get("content") or "" for choice in choices)
        elif kind == "broken":
            return Seen(f"{_text(text)}, then `StreamBroken` `{part.broken.reason}`", part.broken.report, "")
        else:
            return Seen(_text(text), part.report, "")
    raise AssertionError("a stream ended without a last message")


def _text(text: str) -> str:
    return "its answer" if text == TEXT else f"`{text}`"


def _error(rpc_error: grpc.aio.AioRpcError) -> str:
    error = from_rpc_error(rpc_error)
    shown = f"{error} {error.metadata}"
    # What a provider says of its faults, and where it is, is nobody's business.
    assert "overloaded" not in shown
    assert "127.0.0.1" not in shown
    wait = "" if error.retry_after is None else f", again after {math.ceil(error.retry_after)} s"
    return f"`{error.kind.value}` `{error.reason}`{wait}"
