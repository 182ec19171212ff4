"""Takes over what the orchestrator says is revoked, and says which version of that all sidecars share."""

from __future__ import annotations

from amas_governance.revocations import Revoked

from amas_policy_sidecar.ports import Revocations


class SyncRevocations:
    """Puts revocations into the shared store, and reads their version."""

    def __init__(self, revocations: Revocations) -> None:
        self._revocations = revocations

    async def __call__(self, revoked: Revoked) -> int:
        """The version that the store has now; raises AmasError if the store cannot be written."""
        version = await self._revocations.replace(revoked)
        # From here on this process knows it too, without waiting for its next look.
        await self._revocations.newest()
        return version

    async def version(self) -> int:
        """The version in the store, read now: from here on nothing is decided here by an older one."""
        return (await self._revocations.newest()).version
