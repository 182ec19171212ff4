"""The part of a bundle that model calls need, compiled once so that a call only looks things up."""

from __future__ import annotations

from dataclasses import dataclass

from amas_governance.bundle import Bundle
from amas_governance.resources import AgentRole, Budget, ModelProvider, ModelRoute

from .budgets import BudgetRule, Per, Window
from .model import Route, Strategy, Target


@dataclass(frozen=True, slots=True)
class Routing:
    """Routes by name, in the order of their names, and the version of each role."""

    digest: str
    routes: dict[str, Route]
    role_versions: dict[str, str]
    budgets: tuple[BudgetRule, ...]
    # Roles whose calls are audited with their contents.
    audited_in_full: frozenset[str]


def compile_routing(bundle: Bundle) -> Routing:
    """The routing of a bundle. Raises ValueError if a route names a provider or model that the bundle lacks."""
    providers = {r.metadata.name: r for r in bundle.resources if isinstance(r, ModelProvider)}
    routes = [r for r in bundle.resources if isinstance(r, ModelRoute)]
    roles = [r for r in bundle.resources if isinstance(r, AgentRole)]
    return Routing(
        digest=bundle.digest,
        routes={route.metadata.name: _route(route, providers) for route in routes},
        role_versions={role.metadata.name: role.spec.version for role in roles},
        budgets=tuple(_budget(r) for r in bundle.resources if isinstance(r, Budget)),
        audited_in_full=frozenset(role.metadata.name for role in roles if role.spec.model.audit == "content"),
    )


def _budget(budget: Budget) -> BudgetRule:
    spec, subject = budget.spec, budget.spec.subject
    return BudgetRule(
        name=budget.metadata.name,
        tenant=subject.tenant,
        role=subject.role,
        principal=subject.principal,
        client_id=subject.client_id,
        per=None if spec.per is None else Per(spec.per),
        window=Window(spec.window),
        cost=None if spec.cost is None else spec.cost.amount,
        currency="" if spec.cost is None else spec.cost.currency,
        tokens=spec.tokens,
        alert_at=spec.alert_at,
    )


def _route(route: ModelRoute, providers: dict[str, ModelProvider]) -> Route:
    targets = []
    for target in route.spec.targets:
        provider = providers.get(target.provider)
        model = provider.spec.models.get(target.model) if provider is not None else None
        if provider is None or model is None:
            raise ValueError(f"route {route.metadata.name}: no model {target.provider}/{target.model}")
        targets.append(
            Target(
                provider=target.provider,
                model=target.model,
                api=provider.spec.api,
                base_url=str(provider.spec.base_url).rstrip("/"),
                key_files=tuple(key.file for key in provider.spec.keys),
                first_token=target.timeout.first_token,
                total=target.timeout.total,
                weight=target.weight,
                prices=model.prices,
                max_output_tokens=model.max_output_tokens,
                max_tokens_parameter=provider.spec.max_tokens_parameter,
                api_version=provider.spec.api_version or "",
                region=provider.spec.region or "",
                key_cooldown=provider.spec.key_cooldown,
            )
        )
    return Route(route.metadata.name, Strategy(route.spec.strategy), tuple(targets), route.spec)
