"""A Run as `kubectl get runs` shows it: a view that AMAS writes, and nothing that anybody applies.

It holds neither inputs nor outputs, nor the names of people: what stands in a cluster is read by more people than a
tenant's runs are, and is in its backups when the platform has erased it.
"""

from __future__ import annotations

from typing import Any

from .definition import ResourceNames, wrapped
from .status import conditions_schema

RUN_KIND = "Run"
RUNS = ResourceNames("runs")
_TIME = {"type": "string", "format": "date-time"}


def run_definition() -> dict[str, Any]:
    """The definition as plain JSON. Status is no subresource: one write brings a run whole, and it has no spec."""
    return wrapped(
        RUN_KIND,
        RUNS,
        {
            "additionalPrinterColumns": [
                _column("Orchestration", ".status.orchestration"),
                _column("State", ".status.state"),
                _column("Waiting", ".status.approvalsWaiting", "integer"),
                # Since the run was started, not since it was mirrored.
                _column("Age", ".status.createdAt", "date"),
                _column("Cost", ".status.cost"),
                _column("Currency", ".status.currency", priority=1),
                _column("Current", '.status.conditions[?(@.type=="Current")].status', priority=1),
                _column("Trace", ".status.traceId", priority=1),
            ],
            "schema": {"openAPIV3Schema": _schema()},
        },
    )


def _column(title: str, path: str, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    column: dict[str, Any] = {"name": title, "type": kind, "jsonPath": path}
    return {**column, "priority": priority} if priority else column


def _schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A run of the tenant as its operator last saw it: one of the newest, written by AMAS alone.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "status": {
                "type": "object",
                "description": "Written by AMAS alone.",
                "required": ["orchestration", "state", "approvalsWaiting", "createdAt"],
                "properties": {
                    "orchestration": {"type": "string", "maxLength": 127},
                    "state": {
                        "type": "string",
                        "pattern": "^[a-z_]{1,32}$",
                        "description": "queued, running, waiting, succeeded, failed, rejected or cancelled.",
                    },
                    "approvalsWaiting": {
                        "type": "integer",
                        "format": "int64",
                        "minimum": 0,
                        "description": "Approvals that wait for a human.",
                    },
                    "createdAt": _TIME,
                    "startedAt": _TIME,
                    "endedAt": _TIME,
                    "cost": {"type": "string", "maxLength": 64, "description": "What its models cost, as a decimal."},
                    "currency": {"type": "string", "maxLength": 3, "description": "ISO 4217."},
                    "traceId": {"type": "string", "maxLength": 64},
                    "conditions": conditions_schema(),
                },
            },
        },
    }
