"""Every method of every service in the contracts, found in the generated code, so that none can be forgotten."""

from __future__ import annotations

import importlib
from pathlib import Path

import amas
from google.protobuf.descriptor import Descriptor, MethodDescriptor

__all__ = ["METHODS", "REQUESTS"]


def _methods() -> list[MethodDescriptor]:
    found: list[MethodDescriptor] = []
    # Namespace packages, which pkgutil does not walk.
    for root in map(Path, amas.__path__):
        for path in root.rglob("*_pb2.py"):
            module = ".".join(("amas", *path.relative_to(root).with_suffix("").parts))
            for service in importlib.import_module(module).DESCRIPTOR.services_by_name.values():
                found.extend(service.methods)
    return sorted(found, key=lambda method: method.full_name)


METHODS: list[MethodDescriptor] = _methods()
REQUESTS: list[Descriptor] = sorted(
    {method.input_type.full_name: method.input_type for method in METHODS}.values(), key=lambda each: each.full_name
)
