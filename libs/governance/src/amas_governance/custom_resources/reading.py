"""From a custom resource to a manifest: what its author wrote, without what an API server and appliers add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOOLS = frozenset(
    {
        "kubectl.kubernetes.io",
        "argocd.argoproj.io",
        "meta.helm.sh",
        "helm.sh",
        "kustomize.toolkit.fluxcd.io",
        "helm.toolkit.fluxcd.io",
        "reconcile.fluxcd.io",
    }
)
"""Prefixes of annotations that appliers write for themselves: they are no part of what a resource says."""


def manifest_of(custom: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of an object as the API server gives it; `parse_manifest` decides whether it is one.

    The same file gives the same digest whether it was applied by `amas apply` or by `kubectl apply`.
    """
    metadata = custom.get("metadata") or {}
    kept: dict[str, Any] = {"name": metadata.get("name")}
    if metadata.get("labels"):
        kept["labels"] = dict(metadata["labels"])
    annotations = {
        key: text for key, text in (metadata.get("annotations") or {}).items() if key.partition("/")[0] not in TOOLS
    }
    if annotations:
        kept["annotations"] = annotations
    outer = {key: custom[key] for key in ("apiVersion", "kind", "spec") if key in custom}
    return {**outer, "metadata": kept}
