"""ModelRoute: which models answer a role, in which order, how long each may take, and which data they may see."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from amas_governance.labels import Confidentiality
from amas_governance.quantities import Duration, Percent, format_duration, parse_duration

from .manifest_fields import Categories, ConfidentialityLevel, Manifest, Model, Name
from .model_provider import ModelName

_PERCENTILE = re.compile(r"p[1-9][0-9]?")


def _hedge_after(value: Any) -> Any:
    if isinstance(value, str) and _PERCENTILE.fullmatch(value):
        return value
    return parse_duration(value)


HedgeAfter = Annotated[
    float | str,
    BeforeValidator(_hedge_after),
    PlainSerializer(lambda after: after if isinstance(after, str) else format_duration(after), return_type=str),
]
"""A percentile of the target's own latency (`p95`), or seconds."""


class TargetTimeout(Model):
    """Seconds to the first token and to the last."""

    first_token: Duration = 10.0
    total: Duration = 60.0

    @model_validator(mode="after")
    def _first_before_last(self) -> Self:
        if self.first_token > self.total:
            raise ValueError("firstToken is longer than total")
        return self


class Target(Model):
    """One model of one provider."""

    provider: Name
    model: ModelName
    timeout: TargetTimeout = Field(default_factory=TargetTimeout)
    weight: Annotated[int, Field(ge=1, le=1000)] = 1


class Hedge(Model):
    """When a second target is asked although the first has not failed."""

    after: HedgeAfter


class Retry(Model):
    """The share of calls (0 to 1) that may be retries."""

    budget: Percent = 0.1


class RouteClearance(Model):
    """Which data may go to the targets, and what happens to other data."""

    confidentiality: ConfidentialityLevel = Confidentiality.INTERNAL
    categories: Categories = ()
    otherwise: Literal["refuse", "pseudonymise"] = "refuse"


class MemoCache(Model):
    """Answers to the very same question, kept for `ttl` seconds."""

    ttl: Duration


class SemanticCache(Model):
    """Answers to questions that are nearly the same (cosine similarity from `threshold`), kept for `ttl` seconds."""

    ttl: Duration
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.97


class RouteCache(Model):
    """What may be answered without asking a model; None: nothing."""

    memo: MemoCache | None = None
    semantic: SemanticCache | None = None


class ModelRouteSpec(Model):
    """The route itself."""

    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=32)]
    strategy: Literal["priority", "weighted", "leastLatency"] = "priority"
    hedge: Hedge | None = None
    retry: Retry = Field(default_factory=Retry)
    clearance: RouteClearance = Field(default_factory=RouteClearance)
    cache: RouteCache = Field(default_factory=RouteCache)

    @model_validator(mode="after")
    def _each_target_once(self) -> Self:
        pairs = [(target.provider, target.model) for target in self.targets]
        if len(set(pairs)) != len(pairs):
            raise ValueError("a target appears twice")
        return self


class ModelRoute(Manifest):
    """An ordered or weighted set of models."""

    KIND: ClassVar[str] = "ModelRoute"

    kind: Literal["ModelRoute"]
    spec: ModelRouteSpec
