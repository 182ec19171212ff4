from __future__ import annotations

import pytest
from amas.audit.v1 import audit_pb2
from amas_audit.domain.model import Entry
from amas_audit.entrypoints.grpc_api import CALLERS, SERVICE
from amas_audit.entrypoints.wire import entry_to_wire, event_from_wire, event_to_wire
from amas_chassis.errors import AmasError
from google.protobuf.timestamp_pb2 import Timestamp


def message(**fields: object) -> audit_pb2.AuditEvent:
    values: dict[str, object] = {
        "id": "intent:1",
        "type": "dev.amas.action.intent",
        "time": Timestamp(seconds=1_790_000_000, nanos=123_456_789),
        "tenant": "acme",
        "run_id": "run-1",
        "step": "publish",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "principal": "developer",
        "role": "publisher",
        "role_version": "1.2.0",
        "bundle": "sha256:" + "0" * 64,
        "data_json": '{"b":1,"a":"\u00e9"}',
    }
    return audit_pb2.AuditEvent(**(values | fields))  # type: ignore[arg-type]


def test_an_event_survives_the_wire() -> None:
    """Every field that a caller sets comes back, to the nanosecond; data in canonical form."""
    event = event_from_wire(0, message())
    assert event.time == "2026-09-21T14:13:20.123456789Z"
    assert event.data.decode() == '{"a":"\u00e9","b":1}'
    assert event_to_wire(event) == message(data_json=event.data.decode())
    entry = entry_to_wire(Entry(7, 3, "policy-sidecar", event, b"leaf"))
    assert (entry.index, entry.run_sequence, entry.source, entry.leaf) == (7, 3, "policy-sidecar", b"leaf")


def test_no_data_is_an_empty_object() -> None:
    """Data may be left out."""
    assert event_from_wire(0, message(data_json="")).data == b"{}"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "1",
        "null",
        '{"a":1,"a":2}',
        '{"a":NaN}',
        '{"a":9007199254740993}',
        '{"a":1e400}',
        '{"a":"\\ud800"}',
        '{"a":' * 100 + "1" + "}" * 100,
    ],
)
def test_data_that_two_readers_could_read_differently_is_refused(text: str) -> None:
    """I11: what has no canonical form never reaches the log; the field is named."""
    with pytest.raises(AmasError) as refused:
        event_from_wire(3, message(data_json=text))
    assert refused.value.reason == "EVENT_INVALID"
    assert refused.value.violations[0].field == "events[3].data_json"


def test_a_time_beyond_the_calendar_is_refused() -> None:
    """I11: not an INTERNAL error."""
    with pytest.raises(AmasError) as refused:
        event_from_wire(0, message(time=Timestamp(seconds=1 << 60)))
    assert refused.value.violations[0].field == "events[0].time"


def test_every_method_has_its_callers() -> None:
    """A method that nobody is allowed to call, or that everybody is, would be a mistake here."""
    methods = audit_pb2.DESCRIPTOR.services_by_name["AuditService"].methods
    assert set(CALLERS) == {f"/{SERVICE}/{method.name}" for method in methods}
    assert all(callers <= {"gateway", "orchestrator", "ai-router", "policy-sidecar"} for callers in CALLERS.values())
