"""A cluster and a platform in memory, which keep the rules of the real ones that use cases rest on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from amas_governance import consistency
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.loader import SourceFile, load
from amas_governance.resources import Resource
from amas_operator.domain.errors import ChangedMeanwhileError, NotAllowedError, RefusedError, UnavailableError
from amas_operator.domain.model import FINALIZER, Applied, CustomResource, Found, Key


@dataclass
class FakeCluster:
    """Objects by key; counts what is written."""

    objects: dict[Key, CustomResource] = field(default_factory=dict)
    status_writes: int = 0
    finalizer_writes: int = 0

    def put(self, manifest: Mapping[str, Any]) -> Key:
        """An author applies a manifest."""
        key = Key(str(manifest["kind"]), str(manifest["metadata"]["name"]))
        before = self.objects.get(key)
        if before is None:
            self.objects[key] = CustomResource(key, 1, "1", manifest)
        else:
            version = str(int(before.resource_version) + 1)
            generation = before.generation + (before.manifest != manifest)
            self.objects[key] = replace(before, manifest=manifest, generation=generation, resource_version=version)
        return key

    def delete(self, key: Key) -> None:
        """An author deletes: at once, or once the last finalizer is gone."""
        if self.objects[key].finalizers:
            self.objects[key] = replace(self.objects[key], deleting=True)
        else:
            del self.objects[key]

    def ready(self, key: Key) -> tuple[str, str, str]:
        """Status, reason and message of the condition Ready."""
        condition = self.objects[key].status["conditions"][0]
        return condition["status"], condition["reason"], condition["message"]

    async def resources(self) -> list[CustomResource]:
        return list(self.objects.values())

    async def write_status(self, resource: CustomResource, status: Mapping[str, Any]) -> None:
        if resource.key not in self.objects:
            raise ChangedMeanwhileError("gone")
        self.status_writes += 1
        self.objects[resource.key] = replace(self.objects[resource.key], status=dict(status))

    async def hold(self, resource: CustomResource) -> CustomResource:
        return self._with(resource, (*resource.finalizers, FINALIZER))

    async def release(self, resource: CustomResource) -> None:
        left = tuple(name for name in resource.finalizers if name != FINALIZER)
        self._with(resource, left)
        if not left:
            del self.objects[resource.key]

    def _with(self, resource: CustomResource, finalizers: tuple[str, ...]) -> CustomResource:
        held = self.objects.get(resource.key)
        if held is None or held.resource_version != resource.resource_version:
            raise ChangedMeanwhileError("changed")
        self.finalizer_writes += 1
        changed = replace(held, finalizers=finalizers, resource_version=str(int(held.resource_version) + 1))
        self.objects[resource.key] = changed
        return changed


@dataclass
class FakePlatform:
    """Takes requests whole or not at all, by the very checks that the platform runs."""

    held: dict[Key, Resource] = field(default_factory=dict)
    requests: int = 0
    away: bool = False
    forbidden: set[Key] = field(default_factory=set)

    def bundle(self) -> str:
        """Digest of what is held."""
        return Bundle.build(self.held.values(), PolicySet()).digest

    async def apply(self, manifests: Mapping[Key, Mapping[str, Any]], delete: Sequence[Key]) -> Applied:
        if self.away:
            raise UnavailableError("the gateway cannot be reached")
        self.requests += 1
        loaded = load([SourceFile(str(key), json.dumps(manifest)) for key, manifest in manifests.items()])
        given = {Key(resource.KIND, resource.metadata.name): resource for resource in loaded.resources}
        after = {key: resource for key, resource in self.held.items() if key not in delete} | given
        found = loaded.problems or consistency.check(after.values(), loaded.positions)
        problems = [Found(problem.file, f"{problem.field}: {problem.message}") for problem in found]
        if problems:
            raise RefusedError(problems)
        changed = frozenset(key for key, resource in given.items() if self.held.get(key) != resource)
        if self.forbidden & (changed | set(delete)):
            raise NotAllowedError("the tenant's policy does not allow it (NOT_ADMITTED)")
        self.held = after
        return Applied(self.bundle(), changed)

    async def has(self, key: Key) -> bool:
        if self.away:
            raise UnavailableError("the gateway cannot be reached")
        return key in self.held
