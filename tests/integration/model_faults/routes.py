"""The bundle of the tests: for each fault a route to the faulty target alone, and one with a good target behind it."""

from __future__ import annotations

import re
from typing import Any

import orjson
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.resources import parse_manifest

from .provider_scripts import SCRIPTS

GOOD, GATED_BEFORE, GATED_WITHIN = "good", "gated-before", "gated-within"
# Faults for which nobody is asked, or which end before HTTP begins, and the addresses that have them.
ELSEWHERE = ("connection refused", "TLS failure", "DNS failure")
BUDGET = "of-the-developer"
INPUT_PRICE, OUTPUT_PRICE = 1, 2
BODY = orjson.dumps(
    {"model": "default", "messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 16}
)
# A target has this long (first token, all) where a fault is that it does not answer, and otherwise.
SHORT = {"firstToken": "400ms", "total": "400ms"}
MIDDLE = {"firstToken": "2s", "total": "2s"}
LONG = {"firstToken": "60s", "total": "60s"}
_TIMES = {"slow headers": SHORT, "slow body": SHORT, "silent after the first token": MIDDLE}


def slug(fault: str) -> str:
    """A fault's name as a model or route may be called."""
    return re.sub(r"[^a-z0-9]+", "-", fault.lower())


def route_of(fault: str, *, second: bool) -> str:
    """The route with a fault; with a second target that is good."""
    return f"{slug(fault)}-then-good" if second else slug(fault)


def make_bundle(url: str, elsewhere: dict[str, str], *, token_limit: int = 10_000_000) -> Bundle:
    """The bundle over the provider at a URL; `elsewhere` has a URL for each fault of ELSEWHERE."""
    models = [GOOD, GATED_BEFORE, GATED_WITHIN, *map(slug, SCRIPTS)]
    providers = [_provider("faulty", url, *models)]
    providers += [_provider(slug(fault), at, "m") for fault, at in elsewhere.items()]
    good = _target("faulty", GOOD, LONG)
    routes = [_route(name, _target("faulty", name, LONG)) for name in (GOOD, GATED_BEFORE, GATED_WITHIN)]
    for fault in (*SCRIPTS, *elsewhere):
        provider, model = (slug(fault), "m") if fault in elsewhere else ("faulty", slug(fault))
        bad = _target(provider, model, _TIMES.get(fault, LONG))
        routes += [_route(route_of(fault, second=False), bad), _route(route_of(fault, second=True), bad, good)]
    spec = {
        "subject": {"principal": "developer"},
        "window": "month",
        "cost": {"amount": "1000", "currency": "USD"},
        "tokens": token_limit,
    }
    budget = _manifest("Budget", BUDGET, spec)
    return Bundle.build([parse_manifest(manifest) for manifest in (*providers, *routes, budget)], PolicySet())


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "amas.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _provider(name: str, url: str, *models: str) -> dict[str, Any]:
    price = {
        "from": "2020-01-01",
        "inputPerMillion": str(INPUT_PRICE),
        "outputPerMillion": str(OUTPUT_PRICE),
        "currency": "USD",
    }
    spec = {"api": "openai", "baseUrl": url, "models": {model: {"prices": [price]} for model in models}}
    return _manifest("ModelProvider", name, spec)


def _target(provider: str, model: str, timeout: dict[str, str]) -> dict[str, Any]:
    return {"provider": provider, "model": model, "timeout": timeout}


def _route(name: str, *targets: dict[str, Any]) -> dict[str, Any]:
    # No target is asked twice, and none rests: each call of a test meets its fault.
    spec = {"targets": list(targets), "retry": {"attempts": 1}, "breaker": {"failures": 1000, "failureRate": "100%"}}
    return _manifest("ModelRoute", name, spec)
