"""Puts resources in or takes them out, all or nothing. What was answered holds for the next model call here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amas_gateway.domain.errors import invalid
from amas_gateway.domain.model import Applied, Principal, ResourceRef, SourceFile
from amas_gateway.ports import Bundles, Resources


@dataclass(frozen=True, slots=True)
class ApplyResources:
    resources: Resources
    bundles: Bundles

    async def __call__(
        self,
        principal: Principal,
        files: Sequence[SourceFile],
        delete: Sequence[ResourceRef] = (),
        dry_run: bool = False,
    ) -> Applied:
        """An answer with problems changed nothing; with `dry_run` nothing changes in any case."""
        if not files and not delete:
            raise invalid("files", "name at least one file to apply or one resource to delete")
        try:
            return await self.resources.apply(principal, files, delete, dry_run)
        finally:
            # Also where no answer came: it may have been applied.
            if not dry_run:
                self.bundles.forget(principal.tenant)
