"""Reads the audit log, once policy has allowed it. Who reads what is written down before it is answered, or it is not.

A page is read first, so that the record says how many entries were shown; it is answered after the record is committed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_gateway.domain.errors import TokenFault, token_refused
from amas_gateway.domain.model import AuditQuery, Checkpoint, Page, PageQuery, Principal
from amas_gateway.ports import AuditAuthority, AuditReader, AuditWriter, PastBundles

# Entries of a page of a stream. Each page is recorded, and a record may itself be an answer: larger pages than records.
STREAM_PAGE = 500
# Reason of a log whose next answer has left the database for the archive.
ENTRIES_ARCHIVED = "ENTRIES_ARCHIVED"


@dataclass(frozen=True, slots=True)
class ReadAudit:
    reader: AuditReader
    writer: AuditWriter
    authority: AuditAuthority
    bundles: PastBundles
    clock: Clock

    async def query(self, principal: Principal, query: AuditQuery) -> Page[object]:
        """Events of the principal's tenant, a page at a time."""
        await self.authority.authorize_read(principal, query.run_id)
        return await self._page(principal, "query", query)

    async def stream(self, principal: Principal, query: AuditQuery) -> AsyncGenerator[Page[object]]:
        """All pages of a query, from its token on; the last has no token. Pages have a size of their own.

        Raises UNAUTHENTICATED when the principal's token ends first.
        """
        query = replace(query, page=PageQuery(STREAM_PAGE, query.page.token))
        await self.authority.authorize_read(principal, query.run_id)
        while True:
            if principal.expires_at <= self.clock.now().timestamp():
                raise token_refused(TokenFault.EXPIRED)
            page = await self._page(principal, "stream", query)
            yield page
            if not page.next_page_token:
                return
            query = replace(query, page=PageQuery(STREAM_PAGE, page.next_page_token))

    async def checkpoint(self, principal: Principal) -> Checkpoint:
        """The newest signed tree head. It says nothing about any event, so that policy is not asked."""
        head = await self.reader.checkpoint()
        await self.writer.read_happened(principal, "checkpoint", {})
        return head

    async def export(self, principal: Principal, run_id: str) -> AsyncGenerator[bytes]:
        """The export of one run, in chunks."""
        await self.authority.authorize_read(principal, run_id)
        await self.writer.read_happened(principal, "export", {"run_id": run_id})
        async with aclosing(self.reader.export(principal.tenant, run_id)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def bundle(self, principal: Principal, digest: str) -> bytes:
        """The resources and policies under a digest that events name, by which their decisions can be derived again."""
        await self.authority.authorize_read(principal, "")
        await self.writer.read_happened(principal, "bundle", {"digest": digest})
        return await self.bundles.content(principal.tenant, digest)

    async def _page(self, principal: Principal, what: str, query: AuditQuery) -> Page[object]:
        try:
            page = await self.reader.query(principal.tenant, query)
        except AmasError as error:
            # That there is something, in the archive alone, is an answer too.
            if error.reason == ENTRIES_ARCHIVED:
                await self.writer.read_happened(principal, what, query.filters(), 0)
            raise
        await self.writer.read_happened(principal, what, query.filters(), len(page.items))
        return page
