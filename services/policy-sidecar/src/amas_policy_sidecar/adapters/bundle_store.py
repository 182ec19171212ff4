"""The bundles of this process, in memory: a cache of what the orchestrator holds, so it may forget."""

from __future__ import annotations

import collections
from collections.abc import Callable

from amas_governance.bundle import Bundle

from amas_policy_sidecar.domain.errors import bundle_unknown

# Bundles at hand: runs of more versions than this at once reload (up to 16 MiB each, usually some 100 KiB).
MAX_BUNDLES = 16


class BundleStore:
    """Least recently used goes first; `dropped` is told its digest."""

    def __init__(self, bound: int = MAX_BUNDLES, dropped: Callable[[str], None] = lambda _: None) -> None:
        self._bound = bound
        self._dropped = dropped
        self._bundles: collections.OrderedDict[str, Bundle] = collections.OrderedDict()

    def get(self, digest: str) -> Bundle:
        """The bundle; raises AmasError FAILED_PRECONDITION, reason BUNDLE_UNKNOWN."""
        bundle = self._bundles.get(digest)
        if bundle is None:
            raise bundle_unknown(digest)
        self._bundles.move_to_end(digest)
        return bundle

    def put(self, bundle: Bundle) -> None:
        """Keep the bundle."""
        self._bundles[bundle.digest] = bundle
        self._bundles.move_to_end(bundle.digest)
        while len(self._bundles) > self._bound:
            digest, _ = self._bundles.popitem(last=False)
            self._dropped(digest)
