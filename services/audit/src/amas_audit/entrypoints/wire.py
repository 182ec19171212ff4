"""Translates between the messages of amas.audit.v1 and the service's own words."""

from __future__ import annotations

from amas.audit.v1 import audit_pb2
from amas_governance.canonical import JsonRefused, canonical_json, parse_json
from google.protobuf.timestamp_pb2 import Timestamp

from amas_audit.domain.errors import event_invalid
from amas_audit.domain.model import Appended, Entry, Event, EventFilter


def event_from_wire(position: int, message: audit_pb2.AuditEvent) -> Event:
    """The event, its data in canonical form. AmasError EVENT_INVALID for data that is no JSON object."""
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
        data=_data(position, message.data_json),
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
    return message


def entry_to_wire(entry: Entry) -> audit_pb2.LogEntry:
    """An entry with its event and its leaf."""
    return audit_pb2.LogEntry(
        index=entry.index,
        run_sequence=entry.run_sequence,
        source=entry.source,
        event=event_to_wire(entry.event),
        leaf=entry.leaf,
    )


def appended_to_wire(place: Appended) -> audit_pb2.AppendedEvent:
    """Where an event stands."""
    return audit_pb2.AppendedEvent(
        id=place.id, index=place.index, run_sequence=place.run_sequence, duplicate=place.duplicate
    )


def filter_from_wire(request: audit_pb2.QueryRequest) -> EventFilter:
    """What a query asks for."""
    return EventFilter(
        tenant=request.tenant,
        run_id=request.run_id,
        trace_id=request.trace_id,
        principal=request.principal,
        type=request.type,
        ids=tuple(request.ids),
    )


def _time(position: int, time: Timestamp) -> str:
    try:
        return time.ToJsonString()
    except ValueError as error:
        raise event_invalid(position, "time", "must be a time from year 1 to 9999") from error


def _data(position: int, text: str) -> bytes:
    try:
        value = parse_json(text) if text else {}
        if not isinstance(value, dict):
            raise event_invalid(position, "data_json", "must be a JSON object")
        return canonical_json(value)
    except JsonRefused as error:
        raise event_invalid(position, "data_json", str(error)) from error
