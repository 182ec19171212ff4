"""ModelProvider: who answers model calls, with which keys, at which prices."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from amas_governance.admission import Rule, each_once
from amas_governance.quantities import Amount, Duration

from .manifest_fields import MAX_ITEMS, Currency, FileName, Manifest, Model
from .tool_server import HttpUrl

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$", max_length=128)]


class KeyFile(Model):
    """An API key in a file of the router's keys folder; the key itself never stands in a resource."""

    file: FileName


class Price(Model):
    """Prices for a million tokens, from a day on (UTC)."""

    from_: Annotated[datetime.date, Field(alias="from")]
    input_per_million: Amount
    cached_input_per_million: Amount | None = None
    output_per_million: Amount
    currency: Currency


class ProviderModel(Model):
    """One model of the provider. Prices are in the order of their days.

    `max_output_tokens` is the most that one answer can have: what a budget reserves when a request names no bound.
    """

    ADMISSION = (
        Rule(
            "!has(self.prices) || (self.prices.map(p, p.from).isSorted() && "
            f"{each_once('self.prices', 'a.from == b.from')})",
            "expected prices in the order of their `from` days, one for each day",
            ".prices",
        ),
    )

    max_output_tokens: Annotated[int, Field(ge=1, le=10_000_000)] = 16_384
    prices: Annotated[tuple[Price, ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        days = [price.from_ for price in self.prices]
        if days != sorted(set(days)):
            raise ValueError("expected prices in the order of their `from` days, one for each day")
        return self

    def price_on(self, day: datetime.date) -> Price | None:
        """The price that holds on a day, or None before the first."""
        held = [price for price in self.prices if price.from_ <= day]
        return held[-1] if held else None


class ModelProviderSpec(Model):
    """The provider's API and models."""

    ADMISSION = (Rule("self.api != 'bedrock' || has(self.region)", "bedrock needs a region", ".region"),)

    api: Literal["openai", "azureOpenai", "anthropic", "bedrock"]
    base_url: HttpUrl
    api_version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]{1,32}$")] | None = None
    """`api-version` of azureOpenai (`2024-10-21`) or `anthropic-version` (`2023-06-01`); None: the one we know."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = None
    """Region of bedrock."""
    max_tokens_parameter: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """How an openai provider wants to be told the longest answer, where a budget must bound it."""
    keys: Annotated[tuple[KeyFile, ...], Field(max_length=32)] = ()
    key_cooldown: Duration = 5.0
    """Seconds that a key rests after a 429 that names no time itself."""
    models: Annotated[dict[ModelName, ProviderModel], Field(min_length=1, max_length=MAX_ITEMS)]

    @model_validator(mode="after")
    def _bedrock_has_a_region(self) -> Self:
        if self.api == "bedrock" and self.region is None:
            raise ValueError("bedrock needs a region")
        return self


class ModelProvider(Manifest):
    """A provider of models."""

    KIND: ClassVar[str] = "ModelProvider"

    kind: Literal["ModelProvider"]
    spec: ModelProviderSpec
