"""Names the model routes that the tenant may call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amas_gateway.domain.model import ModelName, Principal

from .under_bundle import UnderBundle


@dataclass(frozen=True, slots=True)
class ListModels:
    under_bundle: UnderBundle

    async def __call__(self, principal: Principal) -> Sequence[ModelName]:
        models = self.under_bundle.models
        return await self.under_bundle(principal.tenant, lambda digest: models.list(principal, digest))
