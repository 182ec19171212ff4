"""A streamed Response: chunks of Chat Completions in, the events of the Responses API out. Pure.

Source: OpenAI API reference, "Responses streaming events".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from amas_chassis.errors import AmasError, ErrorKind

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
from amas_gateway.entrypoints.model_api.openai_errors import sentence

from .answer import ResponseFrame
from .output_items import CallItem, Event, OutputItem, TextItem

# Parallel calls of one answer: far beyond what models make, and a bound on what a provider can make us keep.
MAX_CALLS = 256


class ResponseTelling:
    """One streamed Response. Calls stay open until the end, as providers may send pieces of several in turn."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._frame = ResponseFrame(request)
        self._sequence = 0
        self._items: list[OutputItem] = []
        self._open: list[OutputItem] = []
        self._text: TextItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._used: Used | None = None
        self._finish: object = None

    def begun(self) -> bytes:
        """`response.created` and `response.in_progress`."""
        response = self._frame.document("in_progress", [], None)
        return self._rendered(
            [
                {"type": "response.created", "response": response},
                {"type": "response.in_progress", "response": response},
            ]
        )

    def chunk(self, data: bytes) -> bytes:
        """The events of one chunk. Raises MODEL_RESPONSE_INVALID."""
        found = parsed(data)
        self._frame.model = said(found, "model") or self._frame.model
        self._used = used(found) or self._used
        choice = first_choice(found)
        self._finish = choice.get("finish_reason") or self._finish
        delta = mapping(choice.get("delta"))
        events: list[Event] = []
        if thought(delta):
            events += self._write("reasoning_text", thought(delta))
        if said(delta, "content"):
            logprobs = listed(mapping(choice.get("logprobs")).get("content"))
            events += self._write("output_text", said(delta, "content"), logprobs)
        if said(delta, "refusal"):
            events += self._write("refusal", said(delta, "refusal"))
        for call in listed(delta.get("tool_calls")):
            events += self._call(call)
        return self._rendered(events)

    def ended(self) -> bytes:
        """What is open is closed, then `response.completed` or `response.incomplete`."""
        events = [event for item in self._open for event in item.closed()]
        output = [item.whole("completed") for item in self._items]
        status, response = self._frame.finished(self._finish, output, self._used)
        return self._rendered([*events, {"type": f"response.{status}", "response": response}])

    def broken(self, error: AmasError, delivered: Delivered) -> bytes:
        """`response.failed` with what was delivered and billed."""
        code = "rate_limit_exceeded" if error.kind is ErrorKind.RESOURCE_EXHAUSTED else "server_error"
        told = {"code": code, "message": sentence(error), "reason": error.reason.lower(), **delivered.told()}
        output = [item.whole("incomplete" if item in self._open else "completed") for item in self._items]
        response = self._frame.document("failed", output, self._used, error=told)
        return self._rendered([{"type": "response.failed", "response": response}])

    def _write(self, kind: str, words: str, logprobs: Sequence[Mapping[str, Any]] = ()) -> list[Event]:
        events: list[Event] = []
        reasoning = kind == "reasoning_text"
        if self._text is None or self._text.reasoning != reasoning:
            events += self._text_closed()
            place = len(self._items)
            identity = self._frame.item_id("rs" if reasoning else "msg", place)
            self._text = TextItem(identity, place, reasoning=reasoning)
            events += self._opened(self._text)
        return [*events, *self._text.write(kind, words, logprobs)]

    def _call(self, call: Mapping[str, Any]) -> list[Event]:
        index, function = call.get("index", 0), mapping(call.get("function"))
        if not isinstance(index, int):
            raise answer_invalid()
        events: list[Event] = []
        item = self._calls.get(index)
        if item is None:
            if not said(function, "name") or len(self._calls) >= MAX_CALLS:
                raise answer_invalid()
            events += self._text_closed()
            place = len(self._items)
            item = CallItem(self._frame.item_id("fc", place), place, said(call, "id"), said(function, "name"))
            self._calls[index] = item
            events += self._opened(item)
        if said(function, "arguments"):
            events += item.write(said(function, "arguments"))
        return events

    def _opened(self, item: OutputItem) -> list[Event]:
        self._items.append(item)
        self._open.append(item)
        return item.opened()

    def _text_closed(self) -> list[Event]:
        if self._text is None:
            return []
        item, self._text = self._text, None
        self._open.remove(item)
        return item.closed()

    def _rendered(self, events: Sequence[Event]) -> bytes:
        lines = []
        for event in events:
            event["sequence_number"] = self._sequence
            self._sequence += 1
            lines.append(b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), orjson.dumps(event)))
        return b"".join(lines)
