"""How many entries a second `amas audit verify` checks: every proof and every leaf of a run's export, offline."""

from __future__ import annotations

import time
from dataclasses import replace

from amas_audit.usecases.export_run import ExportRun
from amas_cli.audit_trail import verify

from services.audit.tests.logs import submission

from ..report import Row, half_range, percentile
from .stage import BATCH, ORIGIN, Stage, events

ENTRIES, QUICK_ENTRIES = 20_000, 2_000
REPEATS = 3


async def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Entries a second, on one core."""
    count = QUICK_ENTRIES if quick else ENTRIES
    made = events("verify", count)
    for start in range(0, count, BATCH):
        part = [replace(one, run_id="run-1") for one in made[start : start + BATCH]]
        await stage.wired.log.append(submission(*part))
    key = stage.signer.verifier.encode()
    export = ExportRun(stage.wired.reader, stage.wired.contents, origin=ORIGIN, verifier_key=lambda _: key)
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
    return [
        Row("entries of an export verified", percentile(rates, 0.5), "1/s", spread=half_range(rates), aim=">= 100000")
    ]
