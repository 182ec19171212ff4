"""The resources by kind and name, as the checks look them up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from amas_governance.resources import AgentRole, ModelProvider, ModelRoute, Orchestration, Resource, ToolServer


@dataclass
class Catalog:
    """Each kind by name."""

    roles: dict[str, AgentRole] = field(default_factory=dict)
    orchestrations: dict[str, Orchestration] = field(default_factory=dict)
    servers: dict[str, ToolServer] = field(default_factory=dict)
    providers: dict[str, ModelProvider] = field(default_factory=dict)
    routes: dict[str, ModelRoute] = field(default_factory=dict)

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> Catalog:
        """The catalog of these resources; kinds that nothing refers to are left out."""
        catalog = cls()
        for resource in resources:
            name = resource.metadata.name
            if isinstance(resource, AgentRole):
                catalog.roles[name] = resource
            elif isinstance(resource, Orchestration):
                catalog.orchestrations[name] = resource
            elif isinstance(resource, ToolServer):
                catalog.servers[name] = resource
            elif isinstance(resource, ModelProvider):
                catalog.providers[name] = resource
            elif isinstance(resource, ModelRoute):
                catalog.routes[name] = resource
        return catalog


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """`unknown role histrian; there are: historian, writer` (at most 12 names)."""
    names = sorted(known)
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"unknown {what} {name}" + (f"; there are: {listed}" if names else "; there are none")
