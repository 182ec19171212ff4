"""ModelRoute: which models answer a role, in which order, how long each may take, and which data they may see."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

import re2  # type: ignore[import-untyped]  # ships no types
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from amas_governance.admission import Rule, each_once, milliseconds, rules
from amas_governance.labels import Confidentiality
from amas_governance.quantities import (
    DURATION_TEXT,
    NO_TIME,
    Duration,
    Percent,
    format_duration,
    parse_duration,
    written,
)

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
    written(f"^(p[1-9][0-9]?|{DURATION_TEXT})$", 11, **{"not": {"pattern": NO_TIME}}),
]
"""A percentile of the target's own latency (`p95`), or seconds."""


class TargetTimeout(Model):
    """Seconds to the first token and to the last."""

    ADMISSION = (
        Rule(
            f"{milliseconds('self.firstToken', '10s')} <= {milliseconds('self.total', '60s')}",
            "firstToken is longer than total",
        ),
    )

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
    """The share of calls (0 to 1) that may be retries, and how often one target is asked at most in one call."""

    budget: Percent = 0.1
    attempts: Annotated[int, Field(ge=1, le=10)] = 2


class Breaker(Model):
    """When a target is left out: after so many failures in a row, or from this share of recent calls on.

    `open_for` is how long it rests (seconds) before single calls probe it again.
    """

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    failure_rate: Percent = 0.5
    open_for: Duration = 10.0


class RouteTimeout(Model):
    """Seconds that a call may take over all of its attempts."""

    total: Duration = 120.0


REPLACEABLE = frozenset({"pci", "pii", "secret"})
"""Categories that detectors find in texts; a diagnosis in words, say, is found by none."""


class RouteClearance(Model):
    """Which data may go to the targets, and what happens to other data."""

    confidentiality: ConfidentialityLevel = Confidentiality.INTERNAL
    categories: Categories = ()
    otherwise: Literal["refuse", "pseudonymise"] = "refuse"

    @property
    def replaced(self) -> frozenset[str]:
        """Categories of which tokens go to the targets in place of what detectors find."""
        return frozenset() if self.otherwise == "refuse" else REPLACEABLE - frozenset(self.categories)

    @property
    def admitted(self) -> frozenset[str]:
        """Categories that a request may carry: those that the targets may see, and those that are replaced."""
        return frozenset(self.categories) | self.replaced


class MemoCache(Model):
    """Answers to the very same question, kept for `ttl` seconds."""

    ttl: Duration


class SemanticCache(Model):
    """Answers to questions that are nearly the same, kept for `ttl` seconds.

    `max_error_rate` bounds the share of wrong answers; how similar is enough is learnt (vCache, arXiv 2502.03771).
    `embeddings` names a ModelRoute that embeds; without one, hashed n-grams compare letters, not meaning.
    """

    ttl: Duration
    max_error_rate: Percent = 0.02
    embeddings: Name | None = None


class RouteCache(Model):
    """What may be answered without asking a model; None: nothing."""

    memo: MemoCache | None = None
    semantic: SemanticCache | None = None


def _pattern(value: str) -> str:
    try:
        re2.compile(value)
    except re2.error as error:
        raise ValueError(f"not an RE2 regular expression: {error}") from error
    return value


StopPattern = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_pattern)]
"""RE2 syntax: linear in time, whatever is matched."""


def _findable(categories: tuple[str, ...]) -> tuple[str, ...]:
    if "phi" in categories:
        raise ValueError("no detector finds phi, so it cannot be redacted")
    return categories


_NO_PHI = Rule("!('phi' in self)", "no detector finds phi, so it cannot be redacted")


class ResponseRules(Model):
    """What of an answer is blanked, and what ends it. Both hold across the chunks of a stream."""

    redact: Annotated[Categories, AfterValidator(_findable), rules(_NO_PHI)] = ()
    stop: Annotated[tuple[StopPattern, ...], Field(max_length=16)] = ()


class ModelRouteSpec(Model):
    """The route itself."""

    ADMISSION = (
        Rule(
            each_once("self.targets", "a.provider == b.provider && a.model == b.model"),
            "a target appears twice",
            ".targets",
        ),
    )

    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=32)]
    strategy: Literal["priority", "weighted", "leastLatency"] = "priority"
    timeout: RouteTimeout = Field(default_factory=RouteTimeout)
    hedge: Hedge | None = None
    retry: Retry = Field(default_factory=Retry)
    breaker: Breaker = Field(default_factory=Breaker)
    sticky: Literal["run"] | None = None
    """All calls of a run go to the target that answered its first one, as long as that is healthy."""
    clearance: RouteClearance = Field(default_factory=RouteClearance)
    cache: RouteCache = Field(default_factory=RouteCache)
    response: ResponseRules = Field(default_factory=ResponseRules)

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
