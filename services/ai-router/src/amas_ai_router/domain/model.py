"""The words of this service: who calls, which targets a route has, what a call used. Never how it travels."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from amas_governance.labels import Label
from amas_governance.resources import ModelRouteSpec, Price


class Operation(StrEnum):
    """What is asked of a model, named as `gen_ai.operation.name` is."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"


class Strategy(StrEnum):
    """In which order a route's targets are asked."""

    PRIORITY = "priority"
    WEIGHTED = "weighted"
    LEAST_LATENCY = "leastLatency"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asked, as the gateway verified it."""

    subject: str
    issuer: str
    tenant: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    # The application of the token; empty if it names none.
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who calls a model, where. `run_id` to `orchestration` are empty outside a run; the key is empty if none."""

    principal: Principal
    bundle: str
    label: Label
    run_id: str = ""
    step: str = ""
    role: str = ""
    orchestration: str = ""
    idempotency_key: str = ""
    fencing_token: int = 0
    no_cache: bool = False


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call: the JSON body as it came in, for a route by its name."""

    context: CallContext
    route: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """One model of one provider, with all that is needed to ask it; time-outs in seconds."""

    provider: str
    model: str
    api: str
    base_url: str
    key_files: tuple[str, ...]
    first_token: float
    total: float
    weight: int
    prices: tuple[Price, ...]
    max_output_tokens: int
    max_tokens_parameter: str
    api_version: str
    region: str
    key_cooldown: float

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Route:
    """The targets that may answer, how one is chosen, and every rule of the ModelRoute (`spec`); times in seconds."""

    name: str
    strategy: Strategy
    targets: tuple[Target, ...]
    spec: ModelRouteSpec


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call. `cached_input` is the part of `input` that the provider had cached."""

    input: int
    cached_input: int
    output: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and what they cost; `currency` is ISO 4217, empty where nothing has a price."""

    tokens: Tokens
    cost: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What a provider answered: the bytes to pass on and the same parsed."""

    body: bytes
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallReport:
    """How a call was served. `failovers` says why each target before this one was left."""

    call_id: str
    provider: str
    model: str
    usage: Usage
    attempts: int
    duration_ms: int
    failovers: tuple[str, ...] = ()
    replayed: bool = False
    # `memo` or `semantic` if a cache answered, and what that saved.
    cache: str = ""
    saved: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Decision:
    """What policy said about a model action; `reasons` are code and sentence."""

    id: str
    allowed: bool
    reasons: tuple[tuple[str, str], ...] = ()
