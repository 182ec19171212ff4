"""The CustomResourceDefinition (apiextensions.k8s.io/v1) of each kind: names, schema, status, columns."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amas_governance.resources import API_VERSION, KINDS, Metadata

from .status import status_schema
from .structural import structural

GROUP, _, VERSION = API_VERSION.partition("/")


@dataclass(frozen=True)
class ResourceNames:
    """How `kubectl` calls a kind."""

    plural: str
    short: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    """Columns of its own: title and JSONPath."""


_VERSION = ("Version", ".spec.version")
NAMES: Mapping[str, ResourceNames] = {
    "AgentRole": ResourceNames("agentroles", ("ar",), (_VERSION,)),
    "Orchestration": ResourceNames("orchestrations", ("orch",), (_VERSION,)),
    "ToolServer": ResourceNames("toolservers", ("ts",)),
    "ModelProvider": ResourceNames("modelproviders", ("mp",), (("API", ".spec.api"),)),
    "ModelRoute": ResourceNames("modelroutes", ("mr",)),
    "Budget": ResourceNames("budgets", (), (("Window", ".spec.window"),)),
    # `quota` without an s is Kubernetes' own ResourceQuota.
    "Quota": ResourceNames("quotas", (), (("Window", ".spec.window"),)),
}
_READY = '.status.conditions[?(@.type=="Ready")]'


def definition(kind: str) -> dict[str, Any]:
    """The definition of a kind as plain JSON."""
    names = NAMES[kind]
    version = {
        "subresources": {"status": {}},
        "additionalPrinterColumns": _columns(names),
        "schema": {"openAPIV3Schema": _schema(KINDS[kind])},
    }
    return wrapped(kind, names, version)


def wrapped(kind: str, names: ResourceNames, version: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with one version, of which the rest is given."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{names.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "amas-crds", "app.kubernetes.io/part-of": "amas"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "singular": kind.lower(),
                "plural": names.plural,
                "shortNames": list(names.short),
                "categories": ["amas"],
            },
            "versions": [
                {"name": VERSION, "served": True, "storage": True, **version},
            ],
        },
    }


def _schema(model: type[Any]) -> dict[str, Any]:
    whole = model.model_json_schema(by_alias=True)
    name = structural(Metadata.model_json_schema(by_alias=True)["properties"]["name"], {})
    return {
        "type": "object",
        "description": " ".join(inspect.cleandoc(model.__doc__ or "").split()),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": structural(whole["properties"]["spec"], whole),
            "status": status_schema(),
        },
    }


def _columns(names: ResourceNames) -> list[dict[str, Any]]:
    texts = (*names.columns, ("Ready", f"{_READY}.status"), ("Bundle", ".status.bundle"))
    return [
        *({"name": title, "type": "string", "jsonPath": path} for title, path in texts),
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Reason", "type": "string", "jsonPath": f"{_READY}.reason", "priority": 1},
        {"name": "Message", "type": "string", "jsonPath": f"{_READY}.message", "priority": 1},
    ]
