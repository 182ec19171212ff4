from __future__ import annotations

import base64
import json

import pytest
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.contents import Sealed, commit
from amas_audit.domain.leaf import decode
from amas_audit.domain.merkle import leaf_hash, root_from_inclusion
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.export_run import CHUNK_BYTES, ExportRun
from amas_chassis.errors import AmasError

from ..fakes import MemoryLog
from ..logs import content, event, submission


@pytest.fixture
def log(signer: NoteSigner) -> MemoryLog:
    return MemoryLog(signer)


def exporter(log: MemoryLog, signer: NoteSigner) -> ExportRun:
    return ExportRun(log, log, origin=signer.verifier.name, verifier_key=lambda _note: signer.verifier.encode())


async def test_an_export_is_whole_and_proven(log: MemoryLog, signer: NoteSigner) -> None:
    """All entries of the run, and of nobody else, under the one checkpoint, over more than one page."""
    for number in range(300):
        data = b'{"text":"' + b"x" * 500 + b'"}'
        await log.append(
            submission(event(number, data=data), event(number, tenant="other"), event(f"b{number}", run_id="run-2"))
        )
    chunks = [chunk async for chunk in exporter(log, signer)("acme", "run-1")]
    assert len(chunks) > 1
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    header, *entries, footer = map(json.loads, b"".join(chunks).splitlines())
    assert (header["tenant"], header["run"], header["verifierKey"]) == ("acme", "run-1", signer.verifier.encode())
    checkpoint = Checkpoint.parse(signer.verifier.open(header["checkpoint"]))
    assert footer == {"kind": "footer", "entries": 300, "treeSize": checkpoint.size}
    assert [json.loads(entry["leaf"])["runsequence"] for entry in entries] == list(range(1, 301))
    for entry in entries:
        hashed = leaf_hash(entry["leaf"].encode())
        proof = [base64.b64decode(text) for text in entry["proof"]]
        assert root_from_inclusion(hashed, entry["index"], checkpoint.size, proof) == checkpoint.root


async def test_a_run_of_another_tenant_is_unknown(log: MemoryLog, signer: NoteSigner) -> None:
    """I8: the answer does not tell whether somebody else has such a run."""
    await log.append(submission(event(1, tenant="other")))
    with pytest.raises(AmasError) as refused:
        await anext(exporter(log, signer)("acme", "run-1"))
    assert refused.value.reason == "RUN_UNKNOWN"


async def test_an_export_has_contents_or_says_that_they_are_erased(log: MemoryLog, signer: NoteSigner) -> None:
    """With data and salt a stranger can check the commitment; without them the proof holds all the same."""
    given = (content(b"1", subject="alice"), content(b"2", name="rules", subject="bob"), content(b"3", name="work"))
    await log.append(submission(event(1, contents=given)))
    by_name = {one.name: one for one in decode_sealed(log)}
    for name, erased_by in (("rules", "erased:1"), ("work", "")):
        del log.keys[by_name[name].key]
        if erased_by:
            log.erased[by_name[name].key] = erased_by
    document = b"".join([chunk async for chunk in exporter(log, signer)("acme", "run-1")])
    shown = json.loads(document.splitlines()[1])["contents"]
    assert shown[1:] == [{"name": "rules", "erasedBy": "erased:1"}, {"name": "work"}]
    salt, data = base64.b64decode(shown[0]["salt"]), base64.b64decode(shown[0]["data"])
    assert (shown[0]["name"], data) == ("input", b"1")
    assert commit(salt, "application/json", data) == by_name["input"].commitment


def decode_sealed(log: MemoryLog) -> tuple[Sealed, ...]:
    return decode(log.leaves()[0])[0].sealed
