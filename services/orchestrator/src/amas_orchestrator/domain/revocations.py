"""A revocation as its tenant sees it, and the refusals that name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.resources import AgentRole
from amas_governance.revocations import REVOKED, Revocable, RevocationKind, Revoked, actors, server_of, words

from .conversation import delegate_function, function_of
from .model import Principal


@dataclass(frozen=True)
class Revocation:
    """Who took what out of use, when and why; and who gave it back."""

    id: str
    tenant: str
    kind: RevocationKind
    name: str
    reason: str
    revoked_by: str
    revoked_at: datetime
    lifted_at: datetime | None = None
    lifted_by: str = ""
    lift_reason: str = ""

    @property
    def what(self) -> Revocable:
        """What is revoked."""
        return Revocable(self.tenant, self.kind, self.name)


def refuse_revoked(revoked: Revoked, principal: Principal, bundle: str, roles: tuple[str, ...]) -> None:
    """Raises AmasError REVOKED if somebody or something that acts here is revoked."""
    found = revoked.first(actors(principal.tenant, principal=principal.subject, bundle=bundle, roles=roles))
    if found is not None:
        raise is_revoked(found)


def is_revoked(one: Revocable, why: str = "") -> AmasError:
    """The refusal; `why` is what the one who revoked it said, for people of the tenant alone."""
    kind = ErrorKind.PERMISSION_DENIED if one.kind is RevocationKind.PRINCIPAL else ErrorKind.FAILED_PRECONDITION
    text = words(one) + (f": {why}" if why else "")
    if one.kind is RevocationKind.BUNDLE:
        text += "; apply resources that make another bundle"
    return AmasError(kind, REVOKED, text, metadata={"kind": one.kind.value, "name": one.name})


def withheld(revoked: Revoked, tenant: str, role: AgentRole, delegates: Sequence[AgentRole]) -> dict[str, Revocable]:
    """What the role's contract would let a model call but is revoked, by the function that the model would call."""
    found: dict[str, Revocable] = {}
    for grant in role.spec.tools:
        names = (grant.name, server_of(grant.name))
        one = revoked.first(Revocable(tenant, RevocationKind.TOOL, name) for name in names)
        if one is not None:
            found[function_of(grant.name)] = one
    for delegate in delegates:
        one = revoked.first([Revocable(tenant, RevocationKind.ROLE, delegate.metadata.name)])
        if one is not None:
            found[delegate_function(delegate)] = one
    return found
