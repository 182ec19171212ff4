"""The output items of a streamed Response while they grow, and the events that tell of it. Pure.

Every method answers events without their sequence numbers, in the order in which OpenAI's API sends them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .answer import call_item, message_item, reasoning_item, refusal_part, text_part

Event = dict[str, Any]

# What a part of each kind is called in its events, and the field of its `done` event that holds it whole.
_PARTS = {
    "output_text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning_text": ("response.reasoning_text", "text"),
}


class OutputItem(Protocol):
    """One item under way."""

    def opened(self) -> list[Event]:
        """The events that begin it."""
        ...

    def closed(self) -> list[Event]:
        """The events that end it; to be asked once."""
        ...

    def whole(self, status: str) -> Event:
        """The item as far as it has come."""
        ...


class TextItem:
    """A message, or the reasoning before it: parts of text, one under way at a time."""

    def __init__(self, identity: str, place: int, *, reasoning: bool = False) -> None:
        self._at = {"item_id": identity, "output_index": place}
        self._identity, self._place, self.reasoning = identity, place, reasoning
        self._parts: list[tuple[str, list[str], list[Mapping[str, Any]]]] = []

    def opened(self) -> list[Event]:
        """The item, empty."""
        return [{"type": "response.output_item.added", "output_index": self._place, "item": self.whole("in_progress")}]

    def write(self, kind: str, words: str, logprobs: Sequence[Mapping[str, Any]] = ()) -> list[Event]:
        """More of a part; a part of another kind than the last begins a new one."""
        events: list[Event] = []
        if not self._parts or self._parts[-1][0] != kind:
            events += self._part_closed()
            self._parts.append((kind, [], []))
            events.append({"type": "response.content_part.added", **self._here(), "part": self._part(-1)})
        _, pieces, seen = self._parts[-1]
        pieces.append(words)
        delta: Event = {"type": f"{_PARTS[kind][0]}.delta", **self._here(), "delta": words}
        if kind == "output_text":
            seen += logprobs
            delta["logprobs"] = list(logprobs)
        return [*events, delta]

    def closed(self) -> list[Event]:
        """The last part's end and the item's."""
        done = {"type": "response.output_item.done", "output_index": self._place, "item": self.whole("completed")}
        return [*self._part_closed(), done]

    def whole(self, status: str) -> Event:
        """The item as far as it has come."""
        if self.reasoning:
            return reasoning_item(self._identity, "".join(self._parts[0][1]) if self._parts else "")
        return message_item(self._identity, status, [self._part(place) for place in range(len(self._parts))])

    def _part_closed(self) -> list[Event]:
        if not self._parts:
            return []
        kind, pieces, logprobs = self._parts[-1]
        name, field = _PARTS[kind]
        done: Event = {"type": f"{name}.done", **self._here(), field: "".join(pieces)}
        if kind == "output_text":
            done["logprobs"] = logprobs
        return [done, {"type": "response.content_part.done", **self._here(), "part": self._part(-1)}]

    def _here(self) -> Event:
        return {**self._at, "content_index": len(self._parts) - 1}

    def _part(self, place: int) -> Event:
        kind, pieces, logprobs = self._parts[place]
        words = "".join(pieces)
        if kind == "refusal":
            return refusal_part(words)
        return text_part(words, logprobs) if kind == "output_text" else {"type": kind, "text": words}


class CallItem:
    """A function call, whose arguments come in pieces."""

    def __init__(self, identity: str, place: int, call_id: str, name: str) -> None:
        self._identity, self._place, self._call_id, self._name = identity, place, call_id, name
        self._arguments: list[str] = []

    def opened(self) -> list[Event]:
        """The call, without arguments."""
        return [{"type": "response.output_item.added", "output_index": self._place, "item": self.whole("in_progress")}]

    def write(self, piece: str) -> list[Event]:
        """More of the arguments."""
        self._arguments.append(piece)
        return [{"type": "response.function_call_arguments.delta", **self._here(), "delta": piece}]

    def closed(self) -> list[Event]:
        """The arguments' end and the item's."""
        whole = "".join(self._arguments)
        return [
            {
                "type": "response.function_call_arguments.done",
                **self._here(),
                "name": self._name,
                "arguments": whole,
            },
            {"type": "response.output_item.done", "output_index": self._place, "item": self.whole("completed")},
        ]

    def whole(self, status: str) -> Event:
        """The item as far as it has come."""
        return call_item(self._identity, status, self._call_id, self._name, "".join(self._arguments))

    def _here(self) -> Event:
        return {"item_id": self._identity, "output_index": self._place}
