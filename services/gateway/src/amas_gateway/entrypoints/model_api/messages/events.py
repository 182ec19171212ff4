"""A streamed Message: chunks of Chat Completions in, the events of the Messages API out. Pure.

Blocks follow one another: each is closed before the next begins. The first tool call is told piece by piece; what comes
of further ones meanwhile is kept until it is their turn, as providers may send pieces of several calls in turn.

Source: Anthropic API reference, "Streaming Messages".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from amas_chassis.errors import AmasError

from amas_gateway.entrypoints.model_api.anthropic_errors import error_object
from amas_gateway.entrypoints.model_api.completion_shapes import (
    Used,
    answer_invalid,
    first_choice,
    listed,
    mapping,
    parsed,
    said,
    thought,
    used,
)
from amas_gateway.entrypoints.model_api.exchange import Delivered

from .answer import empty_message, shows_thoughts, stop_of, usage

# Parallel calls of one answer, and characters kept of those whose turn has not come: bounds on what a provider can make
# us keep.
MAX_CALLS = 256
MAX_KEPT_CHARACTERS = 4 * 1024 * 1024


class MessageTelling:
    """One streamed Message."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._request = request
        self._thoughts = shows_thoughts(request)
        self._used = Used()
        self._choice: Mapping[str, Any] = {}
        self._refused = False
        # Blocks begun so far, and the kind of the one that is open, if one is.
        self._blocks = 0
        self._open = ""
        # Index of the call that is told piece by piece; those after it wait here, by index.
        self._told_call: int | None = None
        self._waiting: dict[int, _Call] = {}
        self._kept = 0

    def begun(self) -> bytes:
        """`message_start` and a `ping`. What the input costs is known at the end: see `message_delta`."""
        message = empty_message(str(self._request.get("model")))
        return _event({"type": "message_start", "message": message}) + _event({"type": "ping"})

    def chunk(self, data: bytes) -> bytes:
        """The events of one chunk. Raises MODEL_RESPONSE_INVALID."""
        found = parsed(data)
        self._used = used(found) or self._used
        choice = first_choice(found)
        if choice.get("finish_reason"):
            self._choice = choice
        delta = mapping(choice.get("delta"))
        out = b""
        if self._thoughts and thought(delta):
            out += self._write("thinking", "thinking_delta", thought(delta))
        self._refused = self._refused or bool(said(delta, "refusal"))
        words = said(delta, "content") + said(delta, "refusal")
        if words:
            out += self._write("text", "text_delta", words)
        for call in listed(delta.get("tool_calls")):
            out += self._call(call)
        return out

    def ended(self) -> bytes:
        """What is open and what waits, then `message_delta` with the usage, and `message_stop`."""
        called = self._told_call is not None
        out = self._closed()
        for index in sorted(self._waiting):
            call = self._waiting[index]
            out += self._begin({"type": "tool_use", "id": call.identity, "name": call.name, "input": {}})
            out += self._piece({"type": "input_json_delta", "partial_json": "".join(call.pieces)}) + self._closed()
        stop, sequence = stop_of(self._request, self._choice, called=called, refused=self._refused)
        delta = {"stop_reason": stop, "stop_sequence": sequence}
        out += _event({"type": "message_delta", "delta": delta, "usage": usage(self._used)})
        return out + _event({"type": "message_stop"})

    def broken(self, error: AmasError, delivered: Delivered) -> bytes:
        """An `error` event with what was delivered and billed; `message_stop` does not follow."""
        return _event({"type": "error", "error": {**error_object(error), **delivered.told()}})

    def _write(self, kind: str, delta: str, words: str) -> bytes:
        out = b""
        if self._open != kind:
            block = {"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {})
            out = self._closed() + self._begin(block)
        return out + self._piece({"type": delta, kind: words})

    def _call(self, call: Mapping[str, Any]) -> bytes:
        index, function = call.get("index", 0), mapping(call.get("function"))
        if not isinstance(index, int):
            raise answer_invalid()
        piece = said(function, "arguments")
        if self._told_call is None:
            self._told_call = index
            _named(function)
            block = {"type": "tool_use", "id": said(call, "id"), "name": said(function, "name"), "input": {}}
            out = self._closed() + self._begin(block)
            return out + (self._piece({"type": "input_json_delta", "partial_json": piece}) if piece else b"")
        if index == self._told_call:
            if self._open != "tool_use":
                raise answer_invalid()
            return self._piece({"type": "input_json_delta", "partial_json": piece}) if piece else b""
        self._keep(index, call, function, piece)
        return b""

    def _keep(self, index: int, call: Mapping[str, Any], function: Mapping[str, Any], piece: str) -> None:
        self._kept += len(piece)
        if self._kept > MAX_KEPT_CHARACTERS or len(self._waiting) >= MAX_CALLS:
            raise answer_invalid()
        if index not in self._waiting:
            _named(function)
            self._waiting[index] = _Call(said(call, "id"), said(function, "name"))
        self._waiting[index].pieces.append(piece)

    def _begin(self, block: Mapping[str, Any]) -> bytes:
        self._open = str(block["type"])
        self._blocks += 1
        return _event({"type": "content_block_start", "index": self._blocks - 1, "content_block": block})

    def _piece(self, delta: Mapping[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": self._blocks - 1, "delta": delta})

    def _closed(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return _event({"type": "content_block_stop", "index": self._blocks - 1})


class _Call:
    """A call whose turn has not come."""

    __slots__ = ("identity", "name", "pieces")

    def __init__(self, identity: str, name: str) -> None:
        self.identity, self.name = identity, name
        self.pieces: list[str] = []


def _named(function: Mapping[str, Any]) -> None:
    if not said(function, "name"):
        raise answer_invalid()


def _event(event: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), orjson.dumps(event))
