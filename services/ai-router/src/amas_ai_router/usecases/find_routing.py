"""Finds the routing of a bundle: in memory, else in what was kept before a restart."""

from __future__ import annotations

import asyncio

from amas_governance.bundle import Bundle
from amas_governance.dlp import prepare

from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.errors import bundle_invalid, bundle_unknown
from amas_ai_router.domain.routing import Routing, compile_routing
from amas_ai_router.ports import BundleStore

# Bundles whose routing is in memory; runs are pinned to few of them at a time.
MAX_BUNDLES = 64


class FindRouting:
    """Routing by digest. Only contents whose digest was recomputed are used."""

    def __init__(self, store: BundleStore) -> None:
        self._store = store
        self._known: BoundedCache[str, Routing] = BoundedCache(MAX_BUNDLES)
        # Under way, as many as calls at most.
        self._finding: dict[str, asyncio.Task[Routing]] = {}

    def known(self, digest: str) -> Routing | None:
        """The routing if it is in memory."""
        return self._known.get(digest)

    async def run(self, digest: str) -> Routing:
        """The routing. Raises BUNDLE_UNKNOWN for a bundle that nobody gave."""
        return self._known.get(digest) or await self._found(digest)

    async def _found(self, digest: str) -> Routing:
        """Read and compiled once for all who wait: after a restart that is every call of the moment."""
        finding = self._finding.get(digest)
        if finding is None:
            finding = self._finding[digest] = asyncio.create_task(self._find(digest))
            finding.add_done_callback(lambda _: self._finding.pop(digest, None))
        # Others may wait for the same when this caller goes away.
        return await asyncio.shield(finding)

    async def _find(self, digest: str) -> Routing:
        return await self.compile(digest, await self.content(digest))

    async def content(self, digest: str) -> bytes:
        """The bundle's content. Raises BUNDLE_UNKNOWN."""
        content = await self._store.content(digest)
        if content is None:
            raise bundle_unknown(digest)
        return content

    async def compile(self, digest: str, content: bytes) -> Routing:
        """Checks a content against its digest and keeps its routing. Raises BUNDLE_INVALID."""
        try:
            # Parsing takes up to seconds for the largest bundles: not in the event loop.
            routing = await asyncio.to_thread(_parse, content)
        except ValueError as error:
            raise bundle_invalid(str(error)) from error
        if routing.digest != digest:
            raise bundle_invalid("the content has another digest than the one given")
        self._known.put(digest, routing)
        return routing


def _parse(content: bytes) -> Routing:
    routing = compile_routing(Bundle.parse(content))
    for route in routing.routes.values():
        # Detectors take up to a second to compile, which no call should wait for.
        if route.spec.response.redact:
            prepare(frozenset(route.spec.response.redact))
        if route.spec.clearance.otherwise == "pseudonymise":
            prepare(route.spec.clearance.replaced)
    return routing
