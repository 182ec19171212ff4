"""Finds the runs that hold a person's data, once policy has allowed it. It is on record, the name is not."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.model import PageQuery, Principal, SubjectPage
from amas_gateway.ports import AuditAuthority, AuditReader, AuditWriter


@dataclass(frozen=True, slots=True)
class FindSubject:
    audit: AuditReader
    writer: AuditWriter
    authority: AuditAuthority

    async def __call__(self, principal: Principal, subject: str, page: PageQuery) -> SubjectPage:
        """A page of runs of the principal's tenant, and the keys of the subject's contents.

        The record names the keys: whoever may ask can tell whose they are, until they are erased; then nobody can.
        """
        await self.authority.authorize_subject_search(principal)
        found = await self.audit.find_subject(principal.tenant, subject, page)
        filters = {"keys": sorted(found.key_ids)}
        await self.writer.read_happened(principal, "subject", filters, len(found.runs))
        return found
