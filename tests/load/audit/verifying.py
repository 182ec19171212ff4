"""How many entries a second `amas audit verify` checks: of a whole log, and of an export, proof by proof; offline."""

from __future__ import annotations

import time
from dataclasses import replace

from amas_audit.adapters.postgres_cosignatures import PostgresCosignatures
from amas_audit.usecases.export_run import ExportRun
from amas_cli.audit_log import FolderSource, LogCheck, check_log
from amas_cli.audit_trail import KeyRing, verify

from services.audit.tests.logs import submission
from tests.tlogs import LogKey, lay_out, leaf

from ..report import Row, half_range, percentile
from .stage import BATCH, EVENT_BYTES, ORIGIN, Stage, events

ENTRIES, QUICK_ENTRIES = 20_000, 2_000
LOG_ENTRIES, QUICK_LOG_ENTRIES = 200_000, 5_000
REPEATS = 3


async def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Entries a second."""
    return [_log(stage, QUICK_LOG_ENTRIES if quick else LOG_ENTRIES), await _export(stage, quick=quick)]


def _log(stage: Stage, count: int) -> Row:
    """Of a whole log: every leaf, tile and signature of a folder as it is served or archived."""
    key = LogKey()
    padding = EVENT_BYTES - len(leaf(count))
    folder = lay_out(stage.folder / "tlog", [leaf(number, pad=padding) for number in range(count)], key)
    rates = []
    for _ in range(REPEATS):
        report = check_log(FolderSource(folder), LogCheck(KeyRing.parse(key.verifier)))
        assert report.verified, report.findings
        assert report.entries == count
        rates.append(count / report.seconds)
    return Row("entries of a log verified", percentile(rates, 0.5), "1/s", spread=half_range(rates), aim=">= 100000")


async def _export(stage: Stage, *, quick: bool) -> Row:
    """Of one run's export, on one core: each entry has a proof of its own."""
    count = QUICK_ENTRIES if quick else ENTRIES
    made = events("verify", count)
    for start in range(0, count, BATCH):
        part = [replace(one, run_id="run-1") for one in made[start : start + BATCH]]
        await stage.wired.log.append(submission(*part))
    key = stage.signer.verifier.encode()
    nobody = PostgresCosignatures(stage.pool, ())
    export = ExportRun(stage.wired.reader, stage.wired.contents, nobody, origin=ORIGIN, verifier_key=lambda _: key)
    target = stage.folder / "run.jsonl"
    with target.open("wb") as file:
        async for chunk in export("acme", "run-1"):
            file.write(chunk)
    rates = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        report = verify(target, key)
        rates.append(count / (time.perf_counter() - begun))
        assert report.entries == count, report.findings
    return Row("entries of an export verified", percentile(rates, 0.5), "1/s", spread=half_range(rates))
