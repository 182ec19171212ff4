from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from amas.audit.v1 import audit_pb2
from amas.common.v1 import label_pb2
from amas_audit.domain.contents import Opened, Sealed
from amas_audit.domain.model import Entry, Label
from amas_audit.entrypoints.grpc_api import CALLERS, SERVICE
from amas_audit.entrypoints.wire import entry_to_wire, event_from_wire, event_to_wire
from amas_chassis.errors import AmasError
from google.protobuf.timestamp_pb2 import Timestamp


def message(**fields: object) -> audit_pb2.AuditEvent:
    values: dict[str, object] = {
        "id": "intent:1",
        # A type of which nothing is asked.
        "type": "dev.amas.action.denied",
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


def test_contents_and_label_survive_the_wire() -> None:
    """What is left out has its default; a label comes back in the order that it is kept in."""
    label = label_pb2.Label(
        confidentiality=label_pb2.CONFIDENTIALITY_RESTRICTED,
        categories=["pii", "pci", "pii"],
        integrity=label_pb2.INTEGRITY_UNTRUSTED,
    )
    given = [audit_pb2.Content(name="input", data=b"1"), audit_pb2.Content(name="arguments", media_type="text/plain")]
    event = event_from_wire(0, message(contents=given, label=label))
    assert event.label == Label("restricted", ("pci", "pii"), "untrusted")
    assert [(one.name, one.retention, one.media_type, one.data) for one in event.contents] == [
        ("input", "standard", "application/json", b"1"),
        ("arguments", "standard", "text/plain", b""),
    ]
    assert event_to_wire(event).label.categories == ["pci", "pii"]
    assert event_from_wire(0, message(label=label_pb2.Label())).label == Label()
    assert event_from_wire(0, message()).label is None


def test_contents_of_an_entry_are_given_named_or_erased() -> None:
    """A reader can tell what was not asked for from what is gone."""
    sealed = (Sealed("input", bytes(32), "0" * 32, "text/plain", "standard", 2),)
    entry = Entry(7, 3, "policy-sidecar", replace(event_from_wire(0, message()), sealed=sealed), b"leaf")
    named = audit_pb2.Content(name="input", media_type="text/plain", retention="standard", size=2)
    assert list(entry_to_wire(entry).event.contents) == [named]
    given = replace(entry, contents=(Opened(sealed[0], b"hi", b"salt"),))
    assert (entry_to_wire(given).event.contents[0].data, entry_to_wire(given).event.contents[0].salt) == (
        b"hi",
        b"salt",
    )
    gone = replace(entry, contents=(Opened(sealed[0], erased_by="erased:1"),))
    assert entry_to_wire(gone).event.contents[0].erased_by == "erased:1"


@pytest.mark.parametrize("field", [{"salt": b"1"}, {"erased_by": "x"}, {"size": 3}])
def test_a_sender_cannot_say_what_the_log_says(field: dict[str, Any]) -> None:
    """I11: not ignored, refused."""
    with pytest.raises(AmasError, match="is said by the log alone"):
        event_from_wire(0, message(contents=[audit_pb2.Content(name="input", **field)]))


@pytest.mark.parametrize("label", [{"confidentiality": 9}, {"integrity": 9}, {"categories": ["nonsense"]}])
def test_a_label_that_nobody_defined_is_refused(label: dict[str, Any]) -> None:
    """I6: a misspelt category would never be found again."""
    with pytest.raises(AmasError) as refused:
        event_from_wire(2, message(label=label_pb2.Label(**label)))
    assert refused.value.violations[0].field.startswith("events[2].label")


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


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"type": "dev.amas.nobody.knows"}, "type"),
        ({"type": "dev.amas.action.intent"}, "data_json"),
        ({"data_json": '{"turn":"first"}'}, "data_json"),
        ({"data_json": '{"input":{"secret":"word"}}'}, "data_json"),
        ({"contents": [audit_pb2.Content(name="output")]}, "contents[0].name"),
    ],
)
def test_what_its_type_does_not_know_is_refused(fields: dict[str, Any], field: str) -> None:
    """I11: the field is named and the value is not repeated; what is somebody's never stands in the clear."""
    with pytest.raises(AmasError) as refused:
        event_from_wire(1, message(**fields))
    assert refused.value.reason == "EVENT_INVALID"
    assert refused.value.violations[0].field == f"events[1].{field}"
    assert "word" not in refused.value.message
