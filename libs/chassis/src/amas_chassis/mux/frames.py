"""The frames of a multiplexed stream, and how they are written down.

A message of the stream is a msgpack array of frames; a frame is an array whose first element says its kind:

| kind | frame | from | meaning |
|---|---|---|---|
| 0 | Hello | server | first of all: the version spoken, and how many calls may be under way at once |
| 1 | Open | client | a call begins: its method, time left, metadata, window and the first part of its request |
| 2 | Data | both | a part of a message; `more` says that the same message goes on in the next one |
| 3 | End | server | the call is over: status code, text, trailing metadata |
| 4 | Cancel | client | nobody waits for this call any more |
| 5 | Credit | client | so much more may be sent of this call's answers |
| 6 | Drain | server | open no further call here; those under way go on |
| 7 | Answer | server | Data with the whole answer and End with OK in one, for unary calls |

Call ids begin at 1 and only rise. A frame for a call that is over is passed over: it was sent before the end
was known. Anything else that does not fit is a FrameError, and ends the stream. It must never let a peer make us hold
more than the bounds below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "CARRY",
    "Answer",
    "Cancel",
    "Credit",
    "Data",
    "Drain",
    "End",
    "FrameError",
    "Hello",
    "Open",
    "cost",
    "encode",
    "from_client",
    "from_server",
    "metadata_size",
    "parts",
]

SERVICE = "amas.transport.v1.Mux"
CARRY = f"/{SERVICE}/Carry"
VERSION = 1

# A body goes in parts of at most this many bytes, so that another call's frame never waits long behind it.
PART_BYTES = 32 * 1024
# A message of the stream is closed once it has this many bytes; it may overshoot by a frame.
BATCH_BYTES = 128 * 1024
# Larger messages of the stream are refused: a batch, one part, one open's metadata, and what msgpack adds (bytes).
MAX_BATCH_BYTES = 512 * 1024
# What may wait for its turn to be sent, on either side (bytes): the bound on bytes in flight of a connection, beside
# what gRPC's own flow control lets through.
MAX_WAITING_BYTES = 1024 * 1024
# What a frame counts for beyond its body, so that empty ones are not free (bytes).
FRAME_COST = 64
# Largest message of a call (bytes): as on plain channels.
MAX_BODY_BYTES = 20 * 1024 * 1024
# Longest time that a call may have left (seconds); a longer one is as good as this.
MAX_TIMEOUT_SECONDS = 86_400.0
# Entries of one call's metadata, and bytes of all of them; gRPC's own limits on headers are of that order.
MAX_METADATA = 64
MAX_METADATA_BYTES = 16 * 1024

_Id = Annotated[int, Meta(ge=1, le=2**53)]
_Body = Annotated[bytes, Meta(max_length=PART_BYTES)]
_Key = Annotated[str, Meta(min_length=1, max_length=256)]
_Value = Annotated[bytes, Meta(max_length=MAX_METADATA_BYTES)]
Metadata = Annotated[list[tuple[_Key, _Value]], Meta(max_length=MAX_METADATA)]


class FrameError(Exception):
    """The peer does not keep to the protocol."""


class Hello(Struct, array_like=True, tag=0, gc=False):
    """The server speaks first."""

    version: int
    max_calls: Annotated[int, Meta(ge=1)]


class Open(Struct, array_like=True, tag=1, gc=False):
    """A call begins. `timeout` is in seconds; `window` is the credit for its answers, 0 for a unary call (bytes)."""

    call: _Id
    method: Annotated[str, Meta(min_length=1, max_length=512)]
    timeout: Annotated[float, Meta(ge=0, le=MAX_TIMEOUT_SECONDS)]
    metadata: Metadata
    window: Annotated[int, Meta(ge=0, le=2**31)]
    body: _Body
    more: bool


class Data(Struct, array_like=True, tag=2, gc=False):
    """A part of a message."""

    call: _Id
    body: _Body
    more: bool


class End(Struct, array_like=True, tag=3, gc=False):
    """The call is over."""

    call: _Id
    code: Annotated[int, Meta(ge=0, le=16)]
    details: Annotated[str, Meta(max_length=8 * 1024)]
    metadata: Metadata


class Cancel(Struct, array_like=True, tag=4, gc=False):
    """Nobody waits any more."""

    call: _Id


class Credit(Struct, array_like=True, tag=5, gc=False):
    """More may be sent (bytes, see `cost`)."""

    call: _Id
    amount: Annotated[int, Meta(ge=1, le=2**31)]


class Drain(Struct, array_like=True, tag=6, gc=False):
    """Open no further call here."""


class Answer(Struct, array_like=True, tag=7, gc=False):
    """A unary call went well."""

    call: _Id
    body: _Body


FromClient = Open | Data | Cancel | Credit
FromServer = Hello | Data | End | Drain | Answer
Frame = FromClient | FromServer

_encoder = msgspec.msgpack.Encoder()
_from_client = msgspec.msgpack.Decoder(list[FromClient])
_from_server = msgspec.msgpack.Decoder(list[FromServer])


def encode(batch: Sequence[Frame]) -> bytes:
    """A message of the stream."""
    return _encoder.encode(batch)


def from_client(message: bytes) -> list[FromClient]:
    """The frames that a client sent. Raises FrameError."""
    _bounded(message)
    try:
        return _from_client.decode(message)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise FrameError(f"not a batch of frames: {error}") from error


def from_server(message: bytes) -> list[FromServer]:
    """The frames that a server sent. Raises FrameError."""
    _bounded(message)
    try:
        return _from_server.decode(message)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise FrameError(f"not a batch of frames: {error}") from error


def cost(frame: Frame) -> int:
    """What a frame weighs in queues and windows (bytes)."""
    kind = type(frame)
    if kind is Data or kind is Answer:
        return FRAME_COST + len(frame.body)  # type: ignore[union-attr]
    if kind is Open:
        return FRAME_COST + len(frame.body) + metadata_size(frame.metadata)  # type: ignore[union-attr]
    if kind is End:
        return FRAME_COST + len(frame.details) + metadata_size(frame.metadata)  # type: ignore[union-attr]
    return FRAME_COST


def metadata_size(metadata: Sequence[tuple[str, bytes]]) -> int:
    """Bytes of keys and values."""
    return sum(len(key) + len(value) for key, value in metadata)


def parts(body: bytes) -> list[bytes]:
    """A body in parts that fit into frames; one part for an empty body."""
    if len(body) <= PART_BYTES:
        return [body]
    return [body[start : start + PART_BYTES] for start in range(0, len(body), PART_BYTES)]


def _bounded(message: bytes) -> None:
    if len(message) > MAX_BATCH_BYTES:
        raise FrameError("a batch that is too large")
