"""Reads the audit log, once policy has allowed it and it is written down who reads what: else nothing is read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass

from amas_gateway.domain.model import AuditQuery, Checkpoint, Page, Principal
from amas_gateway.ports import AuditAuthority, AuditReader, AuditWriter


@dataclass(frozen=True, slots=True)
class ReadAudit:
    reader: AuditReader
    writer: AuditWriter
    authority: AuditAuthority

    async def query(self, principal: Principal, query: AuditQuery) -> Page[object]:
        """Events of the principal's tenant, a page at a time."""
        await self.authority.authorize_read(principal, query.run_id)
        filters = {name: value for name, value in asdict(query).items() if name != "page" and value}
        await self.writer.read_happened(principal, "query", filters)
        return await self.reader.query(principal.tenant, query)

    async def checkpoint(self) -> Checkpoint:
        """The newest signed tree head. It says nothing about any event, so that reading it is not recorded."""
        return await self.reader.checkpoint()

    async def export(self, principal: Principal, run_id: str) -> AsyncGenerator[bytes]:
        """The export of one run, in chunks."""
        await self.authority.authorize_read(principal, run_id)
        await self.writer.read_happened(principal, "export", {"run_id": run_id})
        async with aclosing(self.reader.export(principal.tenant, run_id)) as chunks:
            async for chunk in chunks:
                yield chunk
