"""Takes a bundle: checks it, keeps it over restarts, and makes its routes callable."""

from __future__ import annotations

from amas_ai_router.ports import BundleStore

from .find_routing import FindRouting


class LoadBundle:
    """Idempotent: a bundle that is known costs a look-up."""

    def __init__(self, routing: FindRouting, store: BundleStore) -> None:
        self._routing = routing
        self._store = store

    async def run(self, digest: str, content: bytes) -> None:
        """Raises BUNDLE_INVALID for a content that is not the bundle of this digest; keeps nothing then."""
        if self._routing.known(digest) is not None:
            return
        await self._routing.compile(digest, content)
        await self._store.put(digest, content)
