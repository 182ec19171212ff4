"""Revocations: the truth in the database, the copies that others decide by, and what this process knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from amas_governance.revocations import Revocable, Revoked

from amas_orchestrator.domain.revocations import Revocation


class Revocations(Protocol):
    """What is revoked, as this process knows it."""

    async def current(self) -> Revoked:
        """As it was less than a second ago; from memory in nearly all cases."""
        ...

    async def newest(self) -> Revoked:
        """As it is now."""
        ...


class RevocationCopies(Protocol):
    """The copy that all policy-sidecars share."""

    async def version(self) -> int:
        """The version there now; 0 if it was lost."""
        ...

    async def replace(self, revoked: Revoked) -> int:
        """Makes it the copy, unless that is newer; the version there now."""
        ...


class RevocationStore(Protocol):
    """Revocations with their history."""

    async def current(self) -> Revoked:
        """All that holds, of all tenants, and its version."""
        ...

    async def newest(self, what: Revocable) -> Revocation | None:
        """The one that holds, else the one that was lifted last."""
        ...

    async def count(self, tenant: str) -> int:
        """How many hold."""
        ...

    async def add(self, revocation: Revocation) -> tuple[Revocation, bool]:
        """Stores it, unless one holds already; the one that holds, and whether it did before."""
        ...

    async def lift(self, what: Revocable, by: str, reason: str, now: datetime) -> tuple[Revocation | None, bool]:
        """Lifts the one that holds; the one that was lifted last (None: never), and whether it had been before."""
        ...

    async def page(self, tenant: str, size: int, before: str, *, lifted_too: bool) -> list[Revocation]:
        """Newest first; `before` is the id that the page starts below."""
        ...

    async def bundles_in_use(self, tenant: str) -> Sequence[str]:
        """Digests of the active bundle and of those that runs under way are pinned to."""
        ...

    async def touched_runs(self, limit: int) -> list[tuple[str, Revocable]]:
        """Runs under way that a revocation ends and that were not told to end, with what is revoked."""
        ...
