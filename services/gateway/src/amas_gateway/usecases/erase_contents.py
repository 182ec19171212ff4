"""Erases what is on record of a subject, once policy has allowed it. The audit service puts it on record first."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.model import Erasure, Principal
from amas_gateway.ports import AuditAuthority, AuditReader, AuditWriter


@dataclass(frozen=True, slots=True)
class EraseContents:
    audit: AuditReader
    writer: AuditWriter
    authority: AuditAuthority

    async def __call__(self, principal: Principal, subject: str, *, dry_run: bool) -> Erasure:
        """What is gone, or with `dry_run` what would be. Of whom stands nowhere: it would outlive the erasure."""
        await self.authority.authorize_erasure(principal)
        if dry_run:
            found = await self.audit.erase(principal, subject, dry_run=True)
            await self.writer.read_happened(principal, "erasure", {"dry_run": True}, found.contents)
            return found
        return await self.audit.erase(principal, subject, dry_run=False)
