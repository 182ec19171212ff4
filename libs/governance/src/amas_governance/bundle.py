"""The bundle: all resources and policies as one immutable value, named by the digest of its content.

Content is canonical, so the same resources and policies give the same bytes whoever builds them. A bundle is never
changed, and it outlives the version that built it: parsing computes the digest of the bytes as they are, and takes a
member that did not exist then at its default. Hence the rule for resources: a new member is optional, and its default
means what its absence meant before.
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .canonical import canonical_json, digest_bytes, parse_json
from .resources import (
    AgentRole,
    ManifestError,
    ModelProvider,
    ModelRoute,
    Orchestration,
    Quota,
    Resource,
    ToolServer,
    parse_manifest,
)

FORMAT = "amas.dev/bundle/v1"
MAX_CONTENT_BYTES = 16 * 1024 * 1024

_Kind = TypeVar("_Kind", bound=Resource)


@dataclass(frozen=True)
class PolicySet:
    """Rego modules by path, and the same compiled to WebAssembly (empty: none)."""

    modules: Mapping[str, str] = field(default_factory=dict)
    wasm: bytes = b""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Resources and policies under one digest. Make one by `build` or `parse`, never by hand."""

    digest: str
    content: bytes
    resources: tuple[Resource, ...]
    policies: PolicySet
    _index: Mapping[tuple[str, str], Resource]

    @classmethod
    def build(cls, resources: Iterable[Resource], policies: PolicySet) -> Bundle:
        """The bundle of these resources and policies; raises ValueError for doubles or too much content."""
        ordered = tuple(sorted(resources, key=_key))
        index = {_key(resource): resource for resource in ordered}
        if len(index) != len(ordered):
            raise ValueError("two resources have the same kind and name")
        content = canonical_json(
            {
                "format": FORMAT,
                "policies": {
                    "modules": dict(policies.modules),
                    "wasm": base64.b64encode(policies.wasm).decode("ascii"),
                },
                "resources": [resource.to_manifest() for resource in ordered],
            }
        )
        if len(content) > MAX_CONTENT_BYTES:
            raise ValueError(f"a bundle has at most {MAX_CONTENT_BYTES} bytes")
        return cls(digest_bytes(content), content, ordered, policies, index)

    @classmethod
    def parse(cls, content: bytes) -> Bundle:
        """The bundle of its content, named by the digest of these very bytes.

        Raises ValueError for what this version cannot read, and for content that is not canonical: JSON as RFC 8785
        writes it, resources in their order, each name once.
        """
        value, resources, policies = _parts(content)
        bundle = cls.build(resources, policies)
        if canonical_json(value) != content or list(bundle.resources) != resources:
            raise ValueError("not a bundle: its content is not in canonical form")
        return replace(bundle, digest=digest_bytes(content), content=content)

    def get(self, kind: str, name: str) -> Resource | None:
        """The resource of that kind and name."""
        return self._index.get((kind, name))

    def role(self, name: str) -> AgentRole | None:
        """The AgentRole of that name."""
        return self._typed(AgentRole, name)

    def orchestration(self, name: str) -> Orchestration | None:
        """The Orchestration of that name."""
        return self._typed(Orchestration, name)

    def tool_server(self, name: str) -> ToolServer | None:
        """The ToolServer of that name."""
        return self._typed(ToolServer, name)

    def provider(self, name: str) -> ModelProvider | None:
        """The ModelProvider of that name."""
        return self._typed(ModelProvider, name)

    def route(self, name: str) -> ModelRoute | None:
        """The ModelRoute of that name."""
        return self._typed(ModelRoute, name)

    @functools.cached_property
    def quotas(self) -> tuple[Quota, ...]:
        """All quotas, by name; found once, since every call asks."""
        return tuple(resource for resource in self.resources if isinstance(resource, Quota))

    def _typed(self, kind: type[_Kind], name: str) -> _Kind | None:
        found: Any = self._index.get((kind.KIND, name))
        return found if isinstance(found, kind) else None


def _key(resource: Resource) -> tuple[str, str]:
    return (resource.KIND, resource.metadata.name)


def _parts(content: bytes) -> tuple[Any, list[Resource], PolicySet]:
    """A bundle's content as JSON, and the resources and policies in it; raises ValueError for what is none."""
    value = parse_json(content, max_bytes=MAX_CONTENT_BYTES)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError(f"not a bundle of format {FORMAT}")
    try:
        manifests, policies = value["resources"], value["policies"]
        modules = {str(path): str(text) for path, text in policies["modules"].items()}
        wasm = base64.b64decode(policies["wasm"], validate=True)
        resources = [parse_manifest(manifest) for manifest in manifests]
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise ValueError("not a bundle: a part is missing or of the wrong form") from error
    except ManifestError as error:
        raise ValueError(f"not a bundle: {error}") from error
    return value, resources, PolicySet(modules, wasm)
