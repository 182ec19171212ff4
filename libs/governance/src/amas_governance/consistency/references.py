"""Names that point to other resources: each must exist, and a granted tool must be one that its server lists."""

from __future__ import annotations

from amas_governance.resources import AgentRole, Budget, ModelProvider, ModelRoute, Orchestration

from .catalog import Catalog, unknown
from .report import Report


def check_role(role: AgentRole, catalog: Catalog, report: Report) -> None:
    """Route, tools and delegates of a role."""
    spec = role.spec
    if spec.model.route not in catalog.routes:
        message = unknown("model route", spec.model.route, catalog.routes)
        report.add(role, ("spec", "model", "route"), message)
    for index, grant in enumerate(spec.tools):
        path = ("spec", "tools", index, "name")
        server = catalog.servers.get(grant.server)
        if server is None:
            report.add(role, path, unknown("tool server", grant.server, catalog.servers))
        elif grant.tool not in server.spec.tools:
            report.add(role, path, unknown(f"tool of {grant.server}", grant.tool, server.spec.tools))
    for index, delegate in enumerate(spec.delegates):
        if delegate not in catalog.roles:
            message = unknown("role", delegate, catalog.roles)
            report.add(role, ("spec", "delegates", index), message)
    replacement = spec.deprecated.replaced_by if spec.deprecated else None
    if replacement is not None and (replacement == role.metadata.name or replacement not in catalog.roles):
        others = catalog.roles.keys() - {role.metadata.name}
        report.add(role, ("spec", "deprecated", "replacedBy"), unknown("other role", replacement, others))


def check_route(route: ModelRoute, catalog: Catalog, report: Report) -> None:
    """Providers and models of a route."""
    for index, target in enumerate(route.spec.targets):
        provider = catalog.providers.get(target.provider)
        path = ("spec", "targets", index)
        if provider is None:
            message = unknown("model provider", target.provider, catalog.providers)
            report.add(route, (*path, "provider"), message)
        elif target.model not in provider.spec.models:
            message = unknown(f"model of {target.provider}", target.model, provider.spec.models)
            report.add(route, (*path, "model"), message)
    semantic = route.spec.cache.semantic
    if semantic is not None and semantic.embeddings is not None and semantic.embeddings not in catalog.routes:
        message = unknown("model route", semantic.embeddings, catalog.routes)
        report.add(route, ("spec", "cache", "semantic", "embeddings"), message)


def check_orchestration(orchestration: Orchestration, catalog: Catalog, report: Report) -> None:
    """Roles of the steps."""
    for index, step in enumerate(orchestration.spec.steps):
        if step.role not in catalog.roles:
            report.add(orchestration, ("spec", "steps", index, "role"), unknown("role", step.role, catalog.roles))


def check_budget(budget: Budget, catalog: Catalog, report: Report) -> None:
    """The role whose spending is bounded (a misspelt one would bound nobody), and prices in the budget's currency."""
    role = budget.spec.subject.role
    if role is not None and role not in catalog.roles:
        report.add(budget, ("spec", "subject", "role"), unknown("role", role, catalog.roles))
    if budget.spec.cost is None:
        return
    others = sorted(
        {name for name, found in catalog.providers.items() if _currencies(found) - {budget.spec.cost.currency}}
    )
    if others:
        message = (
            f"is in {budget.spec.cost.currency}, but there are prices in another currency: {', '.join(others[:12])}"
        )
        report.add(budget, ("spec", "cost", "currency"), message)


def _currencies(provider: ModelProvider) -> set[str]:
    return {price.currency for model in provider.spec.models.values() for price in model.prices}
