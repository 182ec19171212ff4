"""What can be revoked, and how a set of revocations is held against those who act.

Names are compared as they are written, within one tenant: nothing here may ever match by a pattern or over tenants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .canonical import canonical_json

REVOKED = "REVOKED"
"""Reason code of everything that is refused, or ended, because something it needs was revoked."""
UNKNOWN = "REVOCATIONS_UNKNOWN"
"""Reason code where nobody can say what is revoked: nothing is done then."""


class RevocationKind(StrEnum):
    """What can be revoked."""

    ROLE = "role"
    TOOL = "tool"
    PRINCIPAL = "principal"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Revocable:
    """One thing of one tenant that is revoked, or that somebody wants to use."""

    tenant: str
    kind: RevocationKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def key(self) -> str:
        """One text for it that no other has, whatever is in its name."""
        return canonical_json([self.tenant, self.kind.value, self.name]).decode()


@dataclass(frozen=True, slots=True)
class Revoked:
    """All that is revoked, of all tenants. Versions grow with each change."""

    version: int
    members: frozenset[Revocable] = frozenset()

    def first(self, wanted: Iterable[Revocable]) -> Revocable | None:
        """The first of those wanted that is revoked."""
        if not self.members:
            return None
        return next((one for one in wanted if one in self.members), None)


def actors(tenant: str, *, principal: str, bundle: str, roles: Iterable[str], tool: str = "") -> tuple[Revocable, ...]:
    """All that an action needs: who it is for, the bundle, the roles that act or delegated, the tool and its server."""
    wanted = [Revocable(tenant, RevocationKind.BUNDLE, bundle), Revocable(tenant, RevocationKind.PRINCIPAL, principal)]
    wanted += [Revocable(tenant, RevocationKind.ROLE, role) for role in roles if role]
    if tool:
        wanted += [Revocable(tenant, RevocationKind.TOOL, name) for name in dict.fromkeys((tool, server_of(tool)))]
    return tuple(wanted)


def server_of(tool: str) -> str:
    """The server in `server/tool`; the name itself if it names a server."""
    return tool.partition("/")[0]


def words(one: Revocable) -> str:
    """What a refusal says."""
    return f"{one} is revoked"
