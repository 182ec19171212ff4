"""What AMAS tells about a custom resource: the schema of `status`, by the API conventions of Kubernetes."""

from __future__ import annotations

from typing import Any

MAX_CONDITIONS = 8
MAX_MESSAGE = 4096
"""Characters of a condition's message: a bound of ours, well below that of metav1.Condition (32768)."""
SHORT_DIGEST = 12
"""Digits of a digest that a column shows."""


def short_digest(digest: str) -> str:
    """`sha256:0123…` as its first digits, which a column has room for."""
    return digest.partition(":")[2][:SHORT_DIGEST]


def status_schema() -> dict[str, Any]:
    """Conditions are those of metav1.Condition, one a type."""
    return {
        "type": "object",
        "description": "Written by AMAS alone.",
        "properties": {
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "description": "Generation of the resource that the rest speaks of.",
            },
            "bundle": {
                "type": "string",
                "maxLength": SHORT_DIGEST,
                "description": "First digits of bundleDigest.",
            },
            "bundleDigest": {
                "type": "string",
                "pattern": "^sha256:[0-9a-f]{64}$",
                "maxLength": 71,
                "description": "The bundle that this generation came into force with.",
            },
            "conditions": conditions_schema(),
        },
    }


def conditions_schema() -> dict[str, Any]:
    """The schema of conditions, one a type."""
    return {
        "type": "array",
        "maxItems": MAX_CONDITIONS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": _condition(),
    }


def _condition() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": {"type": "string", "maxLength": 316, "minLength": 1},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "message": {"type": "string", "maxLength": MAX_MESSAGE},
        },
    }
