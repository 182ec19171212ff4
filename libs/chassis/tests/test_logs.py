"""Logs: one JSON object a line, with the trace."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from amas_chassis import telemetry
from amas_chassis.logs import MAX_TEXT, JsonFormatter


def line(message: str, **fields: Any) -> dict[str, Any]:
    """A record as it is written."""
    record = logging.getLogger("some.module").makeRecord(
        "some.module", logging.WARNING, __file__, 1, message, (), fields.pop("exc_info", None), extra=fields
    )
    text = JsonFormatter("test-service").format(record)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_says_when_where_and_what() -> None:
    """Time in UTC, level, logger, service, message and the caller's fields."""
    written = line("it\nhappened", run="r1", count=3)
    assert (written["level"], written["logger"], written["service"]) == ("warning", "some.module", "test-service")
    assert (written["message"], written["run"], written["count"]) == ("it\nhappened", "r1", 3)
    assert written["time"].endswith("+00:00")
    assert "trace_id" not in written


def test_a_line_within_a_span_carries_its_trace() -> None:
    """A log line leads to its trace and back."""
    telemetry.configure("test", None)
    with telemetry.tracer("test").start_as_current_span("work"):
        written = line("inside")
        assert written["trace_id"] == telemetry.current_trace_id()
        assert written["span_id"] == telemetry.current_span_id()
        assert len(written["trace_id"]) == 32


def test_an_exception_is_a_field() -> None:
    """The traceback is in the line and not below it."""
    try:
        raise ValueError("broken")
    except ValueError as error:
        written = line("failed", exc_info=(type(error), error, error.__traceback__))
    assert "ValueError: broken" in written["exception"]


def test_a_flood_is_cut_and_odd_values_do_not_raise() -> None:
    """No input can make a line of unbounded length, and logging never fails the code that logs."""
    written = line("x" * (2 * MAX_TEXT), value="y" * (2 * MAX_TEXT), odd=object())
    assert len(written["message"]) < MAX_TEXT + 100
    assert len(written["value"]) < MAX_TEXT + 100
    assert written["odd"].startswith("<object")


@pytest.mark.parametrize("name", ["service", "level", "time"])
def test_a_field_cannot_pose_as_ours(name: str) -> None:
    """A caller's field does not replace what the formatter says."""
    assert line("x", **{name: "forged"})[name] != "forged"


def test_a_traceparent_goes_round() -> None:
    """A stored traceparent continues the same trace later, and a bad one starts none."""
    telemetry.configure("test", None)
    with telemetry.tracer("test").start_as_current_span("first"):
        stored, trace_id = telemetry.traceparent(), telemetry.current_trace_id()
    with telemetry.tracer("test").start_as_current_span("later", context=telemetry.context_from_traceparent(stored)):
        assert telemetry.current_trace_id() == trace_id
    with telemetry.tracer("test").start_as_current_span("other", context=telemetry.context_from_traceparent("junk")):
        assert telemetry.current_trace_id() not in ("", trace_id)
