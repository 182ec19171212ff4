"""Names the routes that the caller may use; what policy does not allow is not shown."""

from __future__ import annotations

from amas_ai_router.domain.model import CallContext, Route

from .decide_access import DecideAccess
from .find_routing import FindRouting


class ListModels:
    """Each route is decided as a call to it would be."""

    def __init__(self, routing: FindRouting, access: DecideAccess) -> None:
        self._routing = routing
        self._access = access

    async def run(self, context: CallContext) -> list[Route]:
        """Routes in the order of their names. Raises BUNDLE_UNKNOWN, or UNAVAILABLE if policy cannot be asked."""
        routing = await self._routing.run(context.bundle)
        return [route for name, route in routing.routes.items() if (await self._access.run(context, name)).allowed]
