from __future__ import annotations

from datetime import UTC, datetime

import pytest
from amas_audit.domain.contents import Content, Sealed
from amas_audit.domain.leaf import encode
from amas_audit.domain.model import Appended, Event, Label
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.domain.tlog_paths import MAX_ENTRY_BYTES
from amas_audit.usecases.append_events import MAX_DATA_BYTES, AppendEvents
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError, ErrorKind

from ..fakes import MemoryLog, RecordingTelemetry
from ..logs import RETENTION, content, event


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
def append(signer: NoteSigner, telemetry: RecordingTelemetry) -> AppendEvents:
    return AppendEvents(MemoryLog(signer), telemetry, ManualClock(datetime(2026, 11, 23, tzinfo=UTC)), RETENTION)


async def test_places_come_in_the_order_of_the_events(append: AppendEvents, telemetry: RecordingTelemetry) -> None:
    """A caller can tell which answer is which event's."""
    await append((event(1),), source="orchestrator")
    places = await append((event(2), event(1)), source="orchestrator")
    assert places == (Appended("event-2", 1, 2, duplicate=False), Appended("event-1", 0, 1, duplicate=True))
    assert telemetry.acknowledged == [("orchestrator", 1, 0), ("orchestrator", 1, 1)]


@pytest.mark.parametrize("field", ["id", "tenant", "run_id", "step", "principal", "role", "role_version"])
async def test_a_nul_is_refused_before_it_meets_the_database(
    field: str, append: AppendEvents, telemetry: RecordingTelemetry
) -> None:
    """I11: the field is named, nothing is appended, and no neighbour's commit fails of it."""
    with pytest.raises(AmasError) as refused:
        await append((event(1), event(2, **{field: "a\0b"})), source="gateway")
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.INVALID_ARGUMENT, "EVENT_INVALID")
    assert refused.value.violations[0].field == f"events[1].{field}"
    assert telemetry.refusals == [("gateway", "EVENT_INVALID")]
    assert (await append((event(3),), source="gateway"))[0].index == 0


async def test_data_that_grew_in_canonical_form_is_bounded(append: AppendEvents) -> None:
    """Twenty times longer than it was sent is still bounded."""
    with pytest.raises(AmasError, match="canonical JSON"):
        await append((event(1, data=b"[" + b"1" * MAX_DATA_BYTES + b"]"),), source="gateway")


async def test_what_the_log_refuses_is_refused(append: AppendEvents, telemetry: RecordingTelemetry) -> None:
    """A conflict comes through as it is."""
    await append((event(1),), source="gateway")
    with pytest.raises(AmasError) as refused:
        await append((event(1, data=b"{}"),), source="gateway")
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.ALREADY_EXISTS, "EVENT_CONFLICT")
    assert telemetry.refusals == [("gateway", "EVENT_CONFLICT")]


@pytest.mark.parametrize(
    ("contents", "field"),
    [
        ((content(name="a"), content(name="a")), "contents[1].name"),
        ((content(subject="a\0b"),), "contents[0].subject"),
        ((content(retention="for-ever"),), "contents[0].retention"),
        ((content(bytes(4 << 20)), content(bytes(4 << 20), name="b"), content(b"1", name="c")), "contents"),
    ],
)
async def test_contents_that_cannot_be_kept_are_refused(
    append: AppendEvents, contents: tuple[Content, ...], field: str
) -> None:
    """I11: the field is named; a class that nobody declared would never end, or end at once."""
    with pytest.raises(AmasError) as refused:
        await append((event(1, contents=contents),), source="gateway")
    assert refused.value.violations[0].field == f"events[0].{field}"


def test_the_largest_event_that_is_taken_has_a_leaf_that_a_bundle_can_hold() -> None:
    """Else one event would make the log unreadable for everybody who follows it. Bounds are those of audit.proto."""
    longest = "\x01" * 255
    sealed = tuple(
        Sealed(
            name=f"n{number:062}",
            retention="r" * 63,
            media_type="m" * 127,
            size=1 << 22,
            commitment=bytes(32),
            key="0" * 32,
        )
        for number in range(16)
    )
    large = Event(
        id=longest,
        type="dev.amas." + "t" * 118,
        time="2026-11-23T00:00:00.123456789Z",
        tenant=longest[:63],
        run_id=longest[:127],
        step=longest,
        trace_id="0" * 32,
        span_id="0" * 16,
        principal=longest,
        role=longest[:127],
        role_version=longest[:63],
        bundle="sha256:" + "0" * 64,
        data=b'{"a":"' + b"a" * (MAX_DATA_BYTES - 8) + b'"}',
        label=Label("confidential", ("pci", "phi", "pii", "secret"), "untrusted"),
        sealed=sealed,
    )
    assert len(encode(large, "policy-sidecar", 1 << 53)) <= MAX_ENTRY_BYTES
