"""Take a bundle by its content: parsed, held against its digest, its policies made ready, then kept."""

from __future__ import annotations

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.bundle import Bundle

from amas_policy_sidecar.ports import Bundles, PolicyEngine


class LoadBundle:
    """Loads bundles; the same one twice is no work."""

    def __init__(self, bundles: Bundles, engine: PolicyEngine) -> None:
        self._bundles = bundles
        self._engine = engine

    async def __call__(self, digest: str, content: bytes) -> None:
        """Keep the bundle; raises AmasError INVALID_ARGUMENT, reason BUNDLE_INVALID, for other content."""
        try:
            bundle = Bundle.parse(content)
        except ValueError as error:
            raise AmasError(
                ErrorKind.INVALID_ARGUMENT, "BUNDLE_INVALID", f"the content is no bundle: {error}"
            ) from error
        if bundle.digest != digest:
            raise AmasError(
                ErrorKind.INVALID_ARGUMENT, "BUNDLE_INVALID", "the content has another digest than was said"
            )
        # First the engine: a bundle that is known here can be decided under.
        await self._engine.load(bundle.digest, bundle.policies)
        self._bundles.put(bundle)
