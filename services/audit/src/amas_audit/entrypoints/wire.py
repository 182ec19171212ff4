"""Translates between the messages of amas.audit.v1 and the service's own words."""

from __future__ import annotations

from amas.audit.v1 import audit_pb2
from amas.common.v1 import label_pb2
from amas_governance.audit_events import misfit_as_sent
from amas_governance.canonical import JsonRefused, canonical_json, parse_json
from amas_governance.labels import CATEGORIES
from google.protobuf.timestamp_pb2 import Timestamp

from amas_audit.domain.contents import DEFAULT_MEDIA_TYPE, DEFAULT_RETENTION, Content, Opened, Sealed
from amas_audit.domain.errors import event_invalid, filter_invalid
from amas_audit.domain.facets import nanoseconds
from amas_audit.domain.model import Appended, Entry, Event, EventFilter, Label
from amas_audit.domain.subjects import SubjectRun

_CONFIDENTIALITY = "CONFIDENTIALITY_"
_INTEGRITY = "INTEGRITY_"
_UNSPECIFIED = "unspecified"


def event_from_wire(position: int, message: audit_pb2.AuditEvent) -> Event:
    """The event, its data in canonical form. AmasError EVENT_INVALID for one that its type's schema does not fit."""
    return Event(
        id=message.id,
        type=message.type,
        time=_time(position, message.time),
        tenant=message.tenant,
        run_id=message.run_id,
        step=message.step,
        trace_id=message.trace_id,
        span_id=message.span_id,
        principal=message.principal,
        role=message.role,
        role_version=message.role_version,
        bundle=message.bundle,
        data=_data(position, message),
        label=_label(position, message.label) if message.HasField("label") else None,
        contents=tuple(_content(position, number, content) for number, content in enumerate(message.contents)),
    )


def event_to_wire(event: Event) -> audit_pb2.AuditEvent:
    """The event as it stands in the log: its data as canonical JSON, whatever form it was sent in."""
    message = audit_pb2.AuditEvent(
        id=event.id,
        type=event.type,
        tenant=event.tenant,
        run_id=event.run_id,
        step=event.step,
        trace_id=event.trace_id,
        span_id=event.span_id,
        principal=event.principal,
        role=event.role,
        role_version=event.role_version,
        bundle=event.bundle,
        data_json=event.data.decode(),
    )
    message.time.FromJsonString(event.time)
    if event.label is not None:
        message.label.CopyFrom(_label_to_wire(event.label))
    return message


def entry_to_wire(entry: Entry) -> audit_pb2.LogEntry:
    """An entry with its event, the contents as far as they were read, and its leaf."""
    event = event_to_wire(entry.event)
    if entry.contents:
        event.contents.extend(_opened_to_wire(opened) for opened in entry.contents)
    else:
        event.contents.extend(_sealed_to_wire(sealed) for sealed in entry.event.sealed)
    return audit_pb2.LogEntry(
        index=entry.index, run_sequence=entry.run_sequence, source=entry.source, event=event, leaf=entry.leaf
    )


def appended_to_wire(place: Appended) -> audit_pb2.AppendedEvent:
    """Where an event stands."""
    return audit_pb2.AppendedEvent(
        id=place.id, index=place.index, run_sequence=place.run_sequence, duplicate=place.duplicate
    )


def subject_run_to_wire(run: SubjectRun) -> audit_pb2.SubjectRun:
    """A run with contents of a subject."""
    message = audit_pb2.SubjectRun(
        run_id=run.run_id,
        events=run.events,
        contents=run.contents,
        first_index=run.first_index,
        last_index=run.last_index,
    )
    if run.first_time:
        message.first_time.FromJsonString(run.first_time)
    if run.last_time:
        message.last_time.FromJsonString(run.last_time)
    return message


def filter_from_wire(request: audit_pb2.QueryRequest) -> EventFilter:
    """What a query asks for. AmasError FILTER_INVALID for a time out of range or a category that nobody defined."""
    if unknown := set(request.categories) - CATEGORIES:
        raise filter_invalid("categories", f"{sorted(unknown)[0]!r} is none of {', '.join(sorted(CATEGORIES))}")
    return EventFilter(
        tenant=request.tenant,
        run_id=request.run_id,
        trace_id=request.trace_id,
        principal=request.principal,
        type=request.type,
        ids=tuple(request.ids),
        role=request.role,
        tool=request.tool,
        decision=request.decision,
        source=request.source,
        confidentiality=int(request.confidentiality),
        categories=tuple(sorted(set(request.categories))),
        integrity=_word(label_pb2.Integrity.Name(request.integrity), _INTEGRITY),
        since=_bound("since", request.since) if request.HasField("since") else None,
        until=_bound("until", request.until) if request.HasField("until") else None,
        newest_first=request.newest_first,
    )


def _content(position: int, number: int, content: audit_pb2.Content) -> Content:
    for name in ("salt", "erased_by", "size"):
        if getattr(content, name):
            raise event_invalid(position, f"contents[{number}].{name}", "is said by the log alone")
    return Content(
        name=content.name,
        subject=content.subject,
        retention=content.retention or DEFAULT_RETENTION,
        media_type=content.media_type or DEFAULT_MEDIA_TYPE,
        data=content.data,
    )


def _sealed_to_wire(sealed: Sealed) -> audit_pb2.Content:
    return audit_pb2.Content(
        name=sealed.name, retention=sealed.retention, media_type=sealed.media_type, size=sealed.size
    )


def _opened_to_wire(opened: Opened) -> audit_pb2.Content:
    message = _sealed_to_wire(opened.sealed)
    message.data, message.salt, message.erased_by = opened.data or b"", opened.salt, opened.erased_by
    return message


def _label(position: int, label: label_pb2.Label) -> Label:
    try:
        confidentiality = label_pb2.Confidentiality.Name(label.confidentiality)
        integrity = label_pb2.Integrity.Name(label.integrity)
    except ValueError as error:
        raise event_invalid(position, "label", "has a confidentiality or an integrity that nobody defined") from error
    if unknown := set(label.categories) - CATEGORIES:
        raise event_invalid(position, "label.categories", f"has unknown ones: {', '.join(sorted(unknown))}")
    return Label(
        _word(confidentiality, _CONFIDENTIALITY), tuple(sorted(set(label.categories))), _word(integrity, _INTEGRITY)
    )


def _word(name: str, prefix: str) -> str:
    """The name that resources use; "" for "not said"."""
    word = name.removeprefix(prefix).lower()
    return "" if word == _UNSPECIFIED else word


def _label_to_wire(label: Label) -> label_pb2.Label:
    return label_pb2.Label(
        confidentiality=label_pb2.Confidentiality.Value(
            _CONFIDENTIALITY + (label.confidentiality or _UNSPECIFIED).upper()
        ),
        categories=label.categories,
        integrity=label_pb2.Integrity.Value(_INTEGRITY + (label.integrity or _UNSPECIFIED).upper()),
    )


def _time(position: int, time: Timestamp) -> str:
    try:
        return time.ToJsonString()
    except ValueError as error:
        raise event_invalid(position, "time", "must be a time from year 1 to 9999") from error


def _bound(name: str, time: Timestamp) -> int:
    try:
        return nanoseconds(time.ToJsonString())
    except ValueError as error:
        raise filter_invalid(name, "must be a time from year 1 to 9999") from error


def _data(position: int, message: audit_pb2.AuditEvent) -> bytes:
    try:
        value = parse_json(message.data_json) if message.data_json else {}
        if not isinstance(value, dict):
            raise event_invalid(position, "data_json", "must be a JSON object")
        if misfit := misfit_as_sent(message.type, value, (content.name for content in message.contents)):
            raise event_invalid(position, *misfit)
        return canonical_json(value)
    except JsonRefused as error:
        raise event_invalid(position, "data_json", str(error)) from error
