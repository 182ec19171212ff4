"""Export a run as one document that can be verified offline; docs/audit-export.md has its format.

All proofs of a document lead to the one checkpoint at its top. Memory is bounded by a page, not by the run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from amas_audit.domain.contents import Opened
from amas_audit.domain.errors import checkpoint_unknown, run_unknown
from amas_audit.domain.model import Entry, EventFilter, InclusionProof, SignedHead
from amas_audit.ports import ContentReader, Cosignatures, LogReader
from amas_audit.usecases.prove_inclusion import prove_inclusion
from amas_audit.usecases.weigh_contents import fitting

FORMAT = "amas-audit-export"
FORMAT_VERSION = 2
# Entries, and bytes of their leaves, in memory at once.
PAGE_ENTRIES = 256
PAGE_BYTES = 4 << 20
# Bytes of one chunk, well below what gRPC takes.
CHUNK_BYTES = 256 << 10


class ExportRun:
    """Streams the document of one run."""

    def __init__(
        self,
        reader: LogReader,
        contents: ContentReader,
        cosignatures: Cosignatures,
        *,
        origin: str,
        verifier_key: Callable[[str], str],
        quorum: int = 0,
    ) -> None:
        """`quorum`: of witnesses that cosign a checkpoint; 0: there are none."""
        self._reader = reader
        self._contents = contents
        self._cosignatures = cosignatures
        self._quorum = quorum
        self._origin = origin
        self._verifier_key = verifier_key

    async def __call__(self, tenant: str, run_id: str) -> AsyncIterator[bytes]:
        """Chunks of the document. AmasError RUN_UNKNOWN before the first chunk if the tenant has no such run."""
        head, lines = await self._head(EventFilter(tenant=tenant, run_id=run_id, newest_first=True))
        waiting = bytearray()
        async for line in self._lines(tenant, run_id, head, lines):
            waiting += line
            while len(waiting) >= CHUNK_BYTES:
                yield bytes(waiting[:CHUNK_BYTES])
                del waiting[:CHUNK_BYTES]
        yield bytes(waiting)

    async def _head(self, of_run: EventFilter) -> tuple[SignedHead, str]:
        """The head that all proofs lead to, and the witnesses' lines under it.

        The newest that a quorum has cosigned, once it covers all that there is of the run; the newest until then.
        """
        head = await self._reader.head()
        if head is None:
            raise checkpoint_unknown()
        cosigned = await self._cosignatures.newest(self._quorum) if self._quorum else None
        if cosigned is None:
            return head, ""
        size, lines = cosigned
        last = await self._reader.entries(of_run, start=0, end=head.size, limit=1, max_bytes=1)
        covering = await self._reader.head(size) if last.entries and last.entries[0].index < size else None
        return (head, "") if covering is None else (covering, "".join(lines))

    async def _lines(self, tenant: str, run_id: str, head: SignedHead, cosigned: str) -> AsyncIterator[bytes]:
        wanted = EventFilter(tenant=tenant, run_id=run_id)
        start = count = 0
        while True:
            page = await self._reader.entries(
                wanted, start=start, end=head.size, limit=PAGE_ENTRIES, max_bytes=PAGE_BYTES
            )
            if not page.entries and not count:
                raise run_unknown()
            if not count:
                yield _line(self._header(tenant, run_id, head, cosigned))
            proofs = await prove_inclusion(self._reader, [entry.index for entry in page.entries], head)
            async for entry, proof in self._opened(page.entries, proofs):
                yield _line(_entry(entry, proof))
            count += len(page.entries)
            if not page.more:
                break
            start = page.entries[-1].index + 1
        yield _line({"kind": "footer", "entries": count, "treeSize": head.size})

    async def _opened(
        self, entries: Sequence[Entry], proofs: Sequence[InclusionProof]
    ) -> AsyncIterator[tuple[Entry, InclusionProof]]:
        """The entries with their contents, of which some are in memory at once."""
        done = 0
        while done < len(entries):
            some = await self._contents.opened(fitting(entries[done:], PAGE_BYTES))
            for entry in some:
                yield entry, proofs[done]
                done += 1

    def _header(self, tenant: str, run_id: str, head: SignedHead, cosigned: str) -> dict[str, Any]:
        return {
            "kind": "header",
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "origin": self._origin,
            "tenant": tenant,
            "run": run_id,
            "checkpoint": head.note + cosigned,
            "verifierKey": self._verifier_key(head.note),
        }


def _entry(entry: Entry, proof: InclusionProof) -> dict[str, Any]:
    return {
        "kind": "entry",
        "index": entry.index,
        "leaf": entry.leaf.decode(),
        "proof": [base64.b64encode(hashed).decode() for hashed in proof.hashes],
        "contents": [_content(opened) for opened in entry.contents],
    }


def _content(opened: Opened) -> dict[str, str]:
    """With data and salt; with the event that erased it; or with its name alone, if it is lost."""
    if opened.data is not None:
        return {
            "name": opened.sealed.name,
            "salt": base64.b64encode(opened.salt).decode(),
            "data": base64.b64encode(opened.data).decode(),
        }
    return {"name": opened.sealed.name} | ({"erasedBy": opened.erased_by} if opened.erased_by else {})


def _line(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
