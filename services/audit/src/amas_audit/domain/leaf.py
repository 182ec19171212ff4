"""The bytes of a leaf: one event as canonical JSON (RFC 8785) in the shape of a CloudEvent (version 1.0).

What is written here is what the tree hashes, for ever: a change of this module adds members,
and never gives an old one another meaning. docs/audit-events.md describes the members.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from json.encoder import encode_basestring
from typing import Any, cast

from amas_audit.domain.contents import Sealed
from amas_audit.domain.model import Event, Label

# CloudEvents attribute -> field, in the order of RFC 8785 (by UTF-16 code units), `data` and constants apart.
_ATTRIBUTES = (
    ("bundle", "bundle"),
    ("id", "id"),
    ("principal", "principal"),
    ("role", "role"),
    ("roleversion", "role_version"),
    ("runid", "run_id"),
    ("spanid", "span_id"),
    ("step", "step"),
    ("tenant", "tenant"),
    ("time", "time"),
    ("traceid", "trace_id"),
    ("type", "type"),
)
# Those that are not attributes, or are written otherwise.
_OTHERS = ("contents", "data", "datacontenttype", "label", "runsequence", "source", "specversion")
# Each member's name as it is written, in the order of RFC 8785.
_NAMES = {name: b'"%s":' % name.encode() for name in sorted([*(name for name, _ in _ATTRIBUTES), *_OTHERS])}
# Before the contents, between them and the position in the run, and after that.
_HEAD = [(name, written) for name, written in _NAMES.items() if name < "contents"]
_BODY = [(name, written) for name, written in _NAMES.items() if "contents" < name < "runsequence"]
_TAIL = [(name, written) for name, written in _NAMES.items() if name > "runsequence"]
_POSITION = b"," + _NAMES["runsequence"]
_DECODER = json.JSONDecoder()


def encode(event: Event, source: str, run_sequence: int) -> bytes:
    """The leaf of an event. Its data is canonical already, so only the envelope around it is written here."""
    return placed(outline(event, source), event.sealed, run_sequence)


def outline(event: Event, source: str) -> tuple[bytes, bytes, bytes]:
    """The leaf but for its contents and its position in the run: what stands before, between and after them."""
    members = {name: _string(value) for name, attribute in _ATTRIBUTES if (value := getattr(event, attribute))}
    if event.label is not None:
        members["label"] = _label(event.label)
    members["data"] = event.data
    members["datacontenttype"] = b'"application/json"'
    members["source"] = _string(source)
    members["specversion"] = b'"1.0"'
    head = b"{" + b"".join([written + members[name] + b"," for name, written in _HEAD if name in members])
    body = b",".join([written + members[name] for name, written in _BODY if name in members])
    tail = b"".join([b"," + written + members[name] for name, written in _TAIL if name in members]) + b"}"
    return head, body + (_POSITION if event.run_id else b""), tail


def placed(parts: tuple[bytes, bytes, bytes], sealed: Sequence[Sealed], run_sequence: int) -> bytes:
    """The leaf of an outline, with the contents and (0: it is in no run) the position."""
    head, body, tail = parts
    contents = _NAMES["contents"] + _contents(sealed) + b"," if sealed else b""
    return b"".join((head, contents, body, b"%d" % run_sequence if body.endswith(_POSITION) else b"", tail))


def decode(leaf: bytes) -> tuple[Event, str, int]:
    """Event, source and position in the run out of a leaf that `encode` made.

    The data is cut out as it stands: read and written again, a number such as 1e20 would come out as an integer that
    canonical JSON refuses.
    """
    text = leaf.decode()
    start = 1
    for name in ("bundle", "contents"):
        # Only these may come before the data, and what they hold may look like it.
        if text.startswith(f'"{name}":', start):
            _, end = _DECODER.raw_decode(text, start + len(name) + 3)
            start = end + 1
    start += len('"data":')
    _, end = _DECODER.raw_decode(text, start)
    members = cast("dict[str, Any]", json.loads(text[:start] + "0" + text[end:]))
    fields = {attribute: members.get(name, "") for name, attribute in _ATTRIBUTES}
    event = Event(
        **fields,
        data=text[start:end].encode(),
        label=_label_of(members["label"]) if "label" in members else None,
        sealed=tuple(_sealed_of(name, members["contents"][name]) for name in sorted(members.get("contents", ()))),
    )
    return event, members["source"], members.get("runsequence", 0)


def same_content(leaf: bytes, event: Event, source: str) -> bool:
    """Whether a leaf says what `event` says, its contents apart, whenever and in whichever span either was sent."""
    recorded, recorded_source, _ = decode(leaf)
    # Bytes are compared, since to Python `True == 1 == 1.0`.
    return encode(_without_circumstances(recorded), recorded_source, 0) == encode(
        _without_circumstances(event), source, 0
    )


def _without_circumstances(event: Event) -> Event:
    """A retry is recognised without when, and in which span, it was sent."""
    return replace(event, time="", trace_id="", span_id="", sealed=())


def _contents(sealed: Sequence[Sealed]) -> bytes:
    """The member `contents`; its own members in the order of RFC 8785."""
    return (
        b"{"
        + b",".join(
            _string(one.name)
            + b':{"commitment":"'
            + base64.b64encode(one.commitment)
            + b'","key":'
            + _string(one.key)
            + b',"mediatype":'
            + _string(one.media_type)
            + b',"retention":'
            + _string(one.retention)
            + b',"size":%d}' % one.size
            for one in sealed
        )
        + b"}"
    )


def _sealed_of(name: str, members: dict[str, Any]) -> Sealed:
    return Sealed(
        name,
        base64.b64decode(members["commitment"]),
        members["key"],
        members["mediatype"],
        members["retention"],
        members["size"],
    )


def _label(label: Label) -> bytes:
    members: dict[str, Any] = {}
    if label.categories:
        members["categories"] = list(label.categories)
    if label.confidentiality:
        members["confidentiality"] = label.confidentiality
    if label.integrity:
        members["integrity"] = label.integrity
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _label_of(members: dict[str, Any]) -> Label:
    return Label(members.get("confidentiality", ""), tuple(members.get("categories", ())), members.get("integrity", ""))


def _string(value: str) -> bytes:
    # The standard library escapes exactly as RFC 8785, section 3.2.2.2 asks when it may leave non-ASCII be.
    return encode_basestring(value).encode()
