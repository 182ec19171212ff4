"""Writes what happened: to the audit log first, then to the run's events, both before anything that follows from it."""

from __future__ import annotations

from collections.abc import Sequence

from amas_orchestrator.domain.events import AuditRecord, NewEvent
from amas_orchestrator.domain.model import Run
from amas_orchestrator.domain.signals import CancelSignal
from amas_orchestrator.ports import AuditLog, RunStore

from .patience import Patience
from .show_answers import ShowAnswers
from .step_job import Pending


class Recorder:
    """Audit and events of one process. What it is given must be the same when it is given again."""

    def __init__(self, audit: AuditLog, runs: RunStore, answers: ShowAnswers, patience: Patience) -> None:
        self._audit = audit
        self._runs = runs
        self._answers = answers
        self._patience = patience

    async def flush(self, run: Run, pending: Pending, cancel: CancelSignal | None = None) -> None:
        """Writes what is pending; the caller clears it once nothing can be cut any more."""
        await self.audit(run, list(pending.records))
        await self.events(run, list(pending.events), cancel)

    async def audit(self, run: Run, records: Sequence[AuditRecord]) -> None:
        """Waits until the log has acknowledged the records."""
        if records:
            # A refusal of audit is an operator's matter; the run waits, and nothing happens off the record.
            await self._patience.record(
                "audit", lambda: self._audit.append(run, records, run.fencing_token), stubborn=True
            )

    async def events(self, run: Run, events: Sequence[NewEvent], cancel: CancelSignal | None = None) -> None:
        """Writes the events at once, as callers may see them; learns whether the run is to be cancelled."""
        if not events:
            return
        shown = await self._answers.events(run, events)
        asked = await self._patience.record("database", lambda: self._runs.record(run.id, run.fencing_token, shown))
        if asked and cancel is not None:
            cancel.set()
