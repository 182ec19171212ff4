"""Which calls may share an answer. Everything that could make one answer wrong or unlawful for another is in the key.

In the key: the tenant, the label of the call's data (confidentiality, categories, integrity), the route's name, its
whole spec and its targets, the operation, whether it is a stream, and the request. Left out of the request are only
fields of which OpenAI's API reference says that they identify the caller or sort stored completions, and never that
they change an answer: `user`, `safety_identifier`, `prompt_cache_key`, `metadata`, and a `store` that is not set.
Who may call was decided before a key is made; a key must never stand for that decision.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from .bounded_cache import BoundedCache
from .model import CallContext, Operation, Route, Target

# Changes when what a key means does: older entries are then never found again.
KEY_VERSION = 1
# Routes whose digest is remembered: those of a few bundles at a time.
REMEMBERED_ROUTES = 256

_NO_PART_IN_THE_ANSWER = ("user", "safety_identifier", "prompt_cache_key", "metadata", "store")
# What of a target says which model answers, and how; not its keys, prices and time-outs.
_MODEL = ("provider", "model", "api", "base_url", "api_version", "region")
_LIMITS = ("max_output_tokens", "max_tokens_parameter")


@dataclass(frozen=True, slots=True)
class CacheKey:
    """A place in the cache of one tenant; `digest` (hex) covers the tenant too."""

    tenant: str
    digest: str


class CacheKeys:
    """Makes keys. Remembers the digests of routes, since a route is the same object for all calls of a bundle."""

    def __init__(self) -> None:
        # By identity; the route is kept beside its digest, so that no other object can get its id.
        self._routes: BoundedCache[int, tuple[Route, str]] = BoundedCache(REMEMBERED_ROUTES)

    def memo(
        self, context: CallContext, operation: Operation, route: Route, fields: dict[str, Any], *, stream: bool
    ) -> CacheKey:
        """The key of exactly this request."""
        return self._key(context, operation, route, ["memo", stream, canonical(fields)])

    def semantic(self, context: CallContext, route: Route, rest: dict[str, Any], *, stream: bool) -> CacheKey:
        """The key under which questions are compared: all of the request but the question is equal (`rest`)."""
        return self._key(context, Operation.CHAT, route, ["semantic", stream, canonical(rest)])

    def _key(self, context: CallContext, operation: Operation, route: Route, what: list[Any]) -> CacheKey:
        tenant = context.principal.tenant
        scope = [KEY_VERSION, tenant, context.label.to_dict(), route.name, self._route(route), operation.value, what]
        return CacheKey(tenant, hashlib.sha256(orjson.dumps(scope, option=orjson.OPT_SORT_KEYS)).hexdigest())

    def _route(self, route: Route) -> str:
        known = self._routes.get(id(route))
        if known is None or known[0] is not route:
            known = (route, route_digest(route))
            self._routes.put(id(route), known)
        return known[1]


def canonical(fields: dict[str, Any]) -> dict[str, Any]:
    """The request without what has no part in its answer."""
    return {name: value for name, value in fields.items() if name not in _NO_PART_IN_THE_ANSWER}


def asks_for_an_effect(fields: dict[str, Any]) -> bool:
    """Whether the provider shall keep the completion: an answer from a cache would leave that undone."""
    return bool(fields.get("store"))


def route_digest(route: Route) -> str:
    """Digest of a route's spec and of what its targets are: a changed route never answers with an old model's words."""
    targets = [_identity(target) for target in route.targets]
    content = orjson.dumps([targets, route.spec.model_dump(mode="json")], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()


def _identity(target: Target) -> dict[str, Any]:
    fields = asdict(target)
    return {name: fields[name] for name in (*_MODEL, *_LIMITS)}
