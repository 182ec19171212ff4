"""One chat completion, chunk by chunk."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from amas_chassis.errors import AmasError

from amas_gateway.domain.errors import principal_revoked
from amas_gateway.domain.model import Chunk, ModelCall, Principal, StreamEnd
from amas_gateway.ports import RevokedPrincipals

from .under_bundle import BUNDLE_UNKNOWN, UnderBundle, scoped


@dataclass(frozen=True, slots=True)
class StreamChat:
    under_bundle: UnderBundle
    revoked: RevokedPrincipals

    async def __call__(self, principal: Principal, call: ModelCall) -> AsyncGenerator[Chunk | StreamEnd]:
        """The router's parts. The bundle is handed over only while nothing has been delivered.

        Raises PERMISSION_DENIED (REVOKED) in place of the next part once the principal is revoked.
        """
        call = scoped(principal, call)
        bundle = await self.under_bundle.bundles.active(principal.tenant)
        models = self.under_bundle.models
        delivered = False
        try:
            async with aclosing(models.stream(principal, bundle.digest, call)) as parts:
                async for part in parts:
                    delivered = True
                    self._refuse_revoked(principal)
                    yield part
            return
        except AmasError as error:
            if delivered or error.reason != BUNDLE_UNKNOWN:
                raise
        await self.under_bundle.hand_over(bundle)
        async with aclosing(models.stream(principal, bundle.digest, call)) as parts:
            async for part in parts:
                self._refuse_revoked(principal)
                yield part

    def _refuse_revoked(self, principal: Principal) -> None:
        if self.revoked.has(principal):
            raise principal_revoked()
