"""One chat completion, whole."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.model import Answer, ModelCall, Principal

from .under_bundle import UnderBundle, scoped


@dataclass(frozen=True, slots=True)
class CompleteChat:
    under_bundle: UnderBundle

    async def __call__(self, principal: Principal, call: ModelCall) -> Answer:
        call = scoped(principal, call)
        models = self.under_bundle.models
        return await self.under_bundle(principal.tenant, lambda digest: models.complete(principal, digest, call))
