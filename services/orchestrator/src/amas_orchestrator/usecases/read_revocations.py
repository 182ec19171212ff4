"""Shows a tenant its revocations, and the gateway whose tokens it refuses."""

from __future__ import annotations

from amas_chassis.pagination import decode_token, encode_token
from amas_governance.revocations import Revocable, RevocationKind

from amas_orchestrator.domain.model import Principal
from amas_orchestrator.domain.revocations import Revocation
from amas_orchestrator.ports import Revocations, RevocationStore

from .read_runs import DEFAULT_PAGE, LARGEST_PAGE


class ReadRevocations:
    """Lists revocations."""

    def __init__(self, store: RevocationStore, revocations: Revocations) -> None:
        self._store = store
        self._revocations = revocations

    async def page(
        self, principal: Principal, size: int, token: str, *, lifted_too: bool
    ) -> tuple[list[Revocation], str]:
        """A page, newest first, and the token of the next page (empty at the end)."""
        size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
        before = str(decode_token(token).get("before", ""))
        found = await self._store.page(principal.tenant, size + 1, before, lifted_too=lifted_too)
        more = len(found) > size
        return found[:size], encode_token({"before": found[size - 1].id}) if more else ""

    async def principals(self, known_version: int) -> tuple[int, list[Revocable]]:
        """The version, and the revoked principals of all tenants unless the caller knows that version."""
        revoked = await self._revocations.newest()
        if revoked.version == known_version:
            return revoked.version, []
        return revoked.version, [one for one in revoked.members if one.kind is RevocationKind.PRINCIPAL]
