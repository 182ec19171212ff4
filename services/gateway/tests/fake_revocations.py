"""In-memory twins of the orchestrator's revocations, and of what the gateway knows of them."""

from __future__ import annotations

from amas.common.v1 import revocation_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain import model
from amas_gateway.domain.errors import principal_revoked
from amas_gateway.domain.model import Principal


class FakeRevocations:
    """Revocations on a dict."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int, str], revocation_pb2.Revocation] = {}
        self.forced: list[bool] = []
        self.refuse: AmasError | None = None

    async def revoke(self, who: Principal, what: model.Revocable, reason: str, force: bool) -> model.RevocationAnswer:
        if self.refuse:
            raise self.refuse
        self.forced.append(force)
        key = (who.tenant, what.kind, what.name)
        existed = key in self.kept
        if not existed:
            self.kept[key] = revocation_pb2.Revocation(
                id=f"rev-{len(self.kept) + 1}",
                tenant=who.tenant,
                kind=what.kind,  # type: ignore[arg-type]  # the contract's number
                name=what.name,
                reason=reason,
                revoked_by=who.subject,
            )
        return model.RevocationAnswer(self.kept[key], existed)

    async def restore(self, who: Principal, what: model.Revocable, reason: str) -> model.RevocationAnswer:
        found = self.kept.get((who.tenant, what.kind, what.name))
        if found is None:
            # As one that had been lifted before.
            return model.RevocationAnswer(revocation_pb2.Revocation(tenant=who.tenant, name=what.name), True)
        found.lifted_by, found.lift_reason = who.subject, reason
        return model.RevocationAnswer(found, False)

    async def list(self, who: Principal, lifted_too: bool, page: model.PageQuery) -> model.Page[model.Revocation]:
        found = [one for one in self.kept.values() if one.tenant == who.tenant and (lifted_too or not one.lifted_by)]
        return model.Page(found, "next" if page.size else "")


class FakeRevoked:
    """RevokedPrincipals that knows what it is told; `unknown` as if nobody had answered for a second."""

    def __init__(self) -> None:
        self.subjects: set[tuple[str, str]] = set()
        self.unknown = False

    def has(self, principal: Principal) -> bool:
        return (principal.tenant, principal.subject) in self.subjects

    async def refuse(self, principal: Principal) -> None:
        if self.unknown:
            raise AmasError(ErrorKind.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", "away", retry_after=1.0)
        if self.has(principal):
            raise principal_revoked()
