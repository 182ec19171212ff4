"""What of an event callers see that a model or a tool has made, and how it is put to inspection and back.

Everything else in an event is the platform's own: states, digests, codes, sentences, usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from amas_governance.canonical import JsonRefused, parse_json

from .events import NewEvent

MADE_BY_OTHERS: Mapping[str, tuple[str, ...]] = {
    "run_state_changed": ("output_json",),
    "step_state_changed": ("output_json",),
    "tool_called": ("arguments_json", "result_preview"),
    "approval_requested": ("arguments_json",),
    "output_repaired": ("error",),
}
"""Fields of events by kind; those that end in `_json` are JSON texts."""
MAX_BYTES = 2 * 1024 * 1024
"""Of all texts that are looked through at once; a longer one is withheld."""
MAX_AT_ONCE = 256
WITHHELD = json.dumps("[withheld: it cannot be looked through]")

Place = tuple[int, str]
"""Index of the event and name of the field."""


def places(events: Sequence[NewEvent]) -> list[Place]:
    """Where the events hold something that callers may not be meant to see."""
    return [
        (index, name)
        for index, event in enumerate(events)
        for name in MADE_BY_OTHERS.get(event.kind, ())
        if event.payload.get(name)
    ]


def question(event: NewEvent, name: str) -> str:
    """The field as JSON text: as it is, or as a string where it is none."""
    text = str(event.payload[name])
    return text if _is_json(name, text) else json.dumps(text, ensure_ascii=False)


def batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, as many at once as fit; one that does not fit comes alone."""
    batch: list[str] = []
    taken = 0
    for text in texts:
        size = _size(text)
        if batch and (len(batch) == MAX_AT_ONCE or taken + size > MAX_BYTES):
            yield batch
            batch, taken = [], 0
        batch.append(text)
        taken += size
    if batch:
        yield batch


def fits(texts: Sequence[str]) -> bool:
    """Whether JSON texts are small enough to be looked through at once."""
    return sum(map(_size, texts)) <= MAX_BYTES


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def answered(event: NewEvent, name: str, shown_json: str) -> NewEvent:
    """The event with what may be shown in the field."""
    shown = shown_json
    if not _is_json(name, str(event.payload[name])):
        value = json.loads(shown_json)
        shown = value if isinstance(value, str) else shown_json
    return replace(event, payload={**event.payload, name: shown})


def _is_json(name: str, text: str) -> bool:
    if not name.endswith("_json"):
        return False
    try:
        parse_json(text)
    except JsonRefused:
        return False
    return True
