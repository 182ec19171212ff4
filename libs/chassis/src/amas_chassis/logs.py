"""Structured logs: one JSON object a line on stderr, with the trace that the line belongs to.

Everything else in the code uses the standard library's logging and passes fields by `extra=`. It must never raise into
the code that logs.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from . import telemetry

__all__ = ["JsonFormatter", "configure"]

# A message, field or traceback longer than this is cut, so that a hostile input cannot flood the log (characters).
MAX_TEXT = 16_384
# Fields of LogRecord that are not the caller's `extra`.
_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Libraries whose info lines are noise at our info level.
_QUIET = ("grpc", "aiohttp.access", "asyncio", "opentelemetry", "alembic.runtime.plugins")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; values that JSON does not know are written by `str`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
            "service": self._service,
        }
        if trace_id := telemetry.current_trace_id():
            line["trace_id"] = trace_id
            line["span_id"] = telemetry.current_span_id()
        for name, value in vars(record).items():
            if name not in _RECORD_FIELDS and name not in line:
                line[name] = _cut(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _cut("".join(traceback.format_exception(record.exc_info[1])))
        return json.dumps(line, default=str, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text)} characters)"


def configure(service: str, level: str) -> None:
    """Send every log of the process to stderr as JSON, from `level` (debug, info, warning, error) up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
