"""ModelRoute, ModelProvider and Budget: what a route, a provider and a bound on spending may say."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.consistency import check
from amas_governance.resources import Budget, ModelRoute, parse_manifest

from . import manifests
from .test_resources import problems


def route(**spec: Any) -> dict[str, Any]:
    """The default route with more in its spec."""
    made = manifests.route()
    made["spec"] |= spec
    return made


def provider(**spec: Any) -> dict[str, Any]:
    """The local provider with more in its spec."""
    made = manifests.provider()
    made["spec"] |= spec
    return made


def budget(**spec: Any) -> dict[str, Any]:
    """A budget of a day."""
    own = {"subject": {"tenant": "acme"}, "window": "day", "tokens": 1000} | spec
    return {"apiVersion": manifests.API, "kind": "Budget", "metadata": {"name": "b"}, "spec": own}


def test_a_route_has_sane_defaults() -> None:
    """Every rule holds with a value that is written out, so that a bundle means the same for ever."""
    made = parse_manifest(route())
    assert isinstance(made, ModelRoute)
    spec = made.to_manifest()["spec"]
    assert spec["timeout"] == {"total": "2m"}
    assert spec["retry"] == {"budget": "10%", "attempts": 2}
    assert spec["breaker"] == {"failures": 5, "failureRate": "50%", "openFor": "10s"}
    assert spec["response"] == {"redact": [], "stop": []}


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        (route(response={"stop": ["(a"]}), "spec.response.stop.0", "not an RE2 regular expression"),
        (route(response={"stop": ["(a)\\1"]}), "spec.response.stop.0", "not an RE2 regular expression"),
        (route(response={"redact": ["email"]}), "spec.response.redact.0", "'pii'"),
        (route(hedge={"after": "p100"}), "spec.hedge.after", "duration"),
        (route(sticky="principal"), "spec.sticky", "'run'"),
        (route(cache={"semantic": {"ttl": "1h", "threshold": 0.9}}), "spec.cache.semantic.threshold", "unknown field"),
        (route(retry={"attempts": 0}), "spec.retry.attempts", "greater than or equal to 1"),
        (provider(api="bedrock"), "spec", "region"),
        (provider(apiVersion="a/b"), "spec.apiVersion", "matches"),
        (budget(subject={}), "spec.subject", "at least one"),
        (budget(window="year"), "spec.window", "'run'"),
        (budget(per="team"), "spec.per", "'principal'"),
        (budget(cost={"amount": "50000001", "currency": "USD"}), "spec", "at most 50000000"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], field: str, words: str) -> None:
    """Each mistake is told with its field when the resource is read, not at the first call."""
    assert words in problems(given)[field]


def test_a_budget_is_for_whom_it_says() -> None:
    """A client id is a subject like any other, and each principal can have a budget of its own."""
    made = parse_manifest(budget(subject={"clientId": "batch"}, per="principal"))
    assert isinstance(made, Budget)
    assert (made.spec.subject.client_id, made.spec.per) == ("batch", "principal")


def test_a_cost_is_counted_in_the_currency_of_the_prices() -> None:
    """A budget in another currency than a price could never be held, so it is not applied."""
    prices = [{"from": "2026-01-01", "inputPerMillion": "1", "outputPerMillion": "2", "currency": "EUR"}]
    priced = provider(models={"scripted": {"prices": prices}})
    given = [priced, manifests.route(), budget(cost={"amount": "5", "currency": "USD"})]
    (problem,) = check([parse_manifest(manifest) for manifest in given])
    assert problem.field == "spec.cost.currency"
    assert "local" in problem.message
    given[-1] = budget(cost={"amount": "5", "currency": "EUR"})
    assert check([parse_manifest(manifest) for manifest in given]) == []


def test_a_semantic_cache_names_a_route_that_embeds() -> None:
    """A misspelt embedding route is found when applied."""
    given = [manifests.provider(), route(cache={"semantic": {"ttl": "1h", "embeddings": "vectors"}})]
    (problem,) = check([parse_manifest(manifest) for manifest in given])
    assert problem.field == "spec.cache.semantic.embeddings"
    assert "unknown model route vectors; there are: default" in problem.message
