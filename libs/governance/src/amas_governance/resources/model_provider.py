"""ModelProvider: who answers model calls, with which keys, at which prices."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from amas_governance.quantities import Amount

from .manifest_fields import MAX_ITEMS, Currency, FileName, Manifest, Model
from .tool_server import HttpUrl

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]


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
    """One model of the provider. Prices are in the order of their days."""

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

    api: Literal["openai", "azureOpenai", "anthropic", "bedrock"]
    base_url: HttpUrl
    keys: Annotated[tuple[KeyFile, ...], Field(max_length=32)] = ()
    models: Annotated[dict[ModelName, ProviderModel], Field(min_length=1, max_length=MAX_ITEMS)]


class ModelProvider(Manifest):
    """A provider of models."""

    KIND: ClassVar[str] = "ModelProvider"

    kind: Literal["ModelProvider"]
    spec: ModelProviderSpec
