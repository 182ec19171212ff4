from __future__ import annotations

import asyncio

import pytest
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.merkle import leaf_hash, root_from_inclusion
from amas_audit.domain.model import EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.prove_inclusion import prove_inclusion

from ..logs import event, open_log, submission

pytestmark = pytest.mark.integration


async def test_every_appended_entry_is_proven_by_the_signed_head(pool: Pool, signer: NoteSigner) -> None:
    """Whatever is acknowledged can be proven under the checkpoint, across several tiles and commits."""
    wired = await open_log(pool, signer)
    for start in range(0, 700, 70):
        await asyncio.gather(*(wired.log.append(submission(event(n))) for n in range(start, start + 70)))
    head = await wired.reader.head()
    assert head is not None
    checkpoint = Checkpoint.parse(signer.verifier.open(head.note))
    assert (checkpoint.size, checkpoint.root) == (700, head.root)
    wanted = EventFilter(tenant="acme", run_id="run-1")
    page = await wired.reader.entries(wanted, start=0, end=None, limit=1000, max_bytes=1 << 30)
    assert [entry.run_sequence for entry in page.entries] == list(range(1, 701))
    proofs = await prove_inclusion(wired.reader, [entry.index for entry in page.entries], head)
    for entry, proof in zip(page.entries, proofs, strict=True):
        assert root_from_inclusion(leaf_hash(entry.leaf), entry.index, 700, proof.hashes) == checkpoint.root
