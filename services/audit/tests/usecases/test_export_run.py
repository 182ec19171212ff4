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


class Cosigned:
    """The newest head that a quorum has cosigned: as told."""

    def __init__(self, newest: tuple[int, tuple[str, ...]] | None = None) -> None:
        self._newest = newest

    async def keep(self, size: int, witness: str, key_id: bytes, line: str) -> None:
        raise AssertionError("nothing is kept here")

    async def newest(self, quorum: int) -> tuple[int, tuple[str, ...]] | None:
        return self._newest


def exporter(
    log: MemoryLog, signer: NoteSigner, newest: tuple[int, tuple[str, ...]] | None = None, quorum: int = 0
) -> ExportRun:
    key = signer.verifier.encode()
    return ExportRun(
        log, log, Cosigned(newest), origin=signer.verifier.name, verifier_key=lambda _note: key, quorum=quorum
    )


async def header_of(export: ExportRun) -> dict[str, str]:
    document = b"".join([chunk async for chunk in export("acme", "run-1")])
    return dict(json.loads(document.splitlines()[0]))


async def test_an_export_leads_to_a_head_with_a_quorum_once_it_covers_the_run(
    log: MemoryLog, signer: NoteSigner
) -> None:
    """With the witnesses' lines; before that to the newest, of which nobody else has a name yet."""
    await log.append(submission(event(1), event(2)))
    await log.append(submission(event(3, run_id="run-2")))
    lines = ("— w1 YWJj\n", "— w2 YWJj\n")
    for size, expected in ((2, 2), (1, 3)):
        header = await header_of(exporter(log, signer, (size, lines), quorum=2))
        note = header["checkpoint"]
        assert Checkpoint.parse(signer.verifier.open(note)).size == expected
        assert note.endswith("".join(lines)) is (expected == 2)
    for export in (exporter(log, signer, None, quorum=2), exporter(log, signer)):
        assert Checkpoint.parse(signer.verifier.open((await header_of(export))["checkpoint"])).size == 3


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
