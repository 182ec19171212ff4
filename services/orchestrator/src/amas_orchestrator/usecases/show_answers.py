"""What callers see of a run goes through here first: inspected by the policy-sidecar, by the orchestration's rules.

What cannot be looked through is withheld, so that a run neither shows it nor hangs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from amas_chassis.errors import AmasError

from amas_orchestrator.domain import shown
from amas_orchestrator.domain.events import NewEvent
from amas_orchestrator.domain.model import Reason, Run
from amas_orchestrator.ports import Inspected, Inspector

from .patience import Patience

UNSCANNABLE = "unscannable"
_log = logging.getLogger(__name__)


class ShowAnswers:
    """Inspection for all runs of one process."""

    def __init__(self, inspector: Inspector, patience: Patience) -> None:
        self._inspector = inspector
        self._patience = patience

    async def events(self, run: Run, events: Sequence[NewEvent]) -> Sequence[NewEvent]:
        """The events as callers may see them; asked again until there is an answer."""
        made = list(events)
        places = shown.places(made)
        texts = [shown.question(made[index], name) for index, name in places]
        for (index, name), result in zip(places, await self._inspect(run, texts), strict=True):
            made[index] = shown.answered(made[index], name, result.shown_json)
        return made

    async def refusal(self, run: Run, output_json: str) -> Reason | None:
        """Why a run's output is not given at all; None if it is."""
        (result,) = await self._inspect(run, [output_json])
        if not result.denied:
            return None
        if UNSCANNABLE in result.denied:
            return Reason("ANSWER_UNSCANNABLE", "the run's output cannot be looked through, so that it is not given")
        return Reason("SENSITIVE_ANSWER", f"the run's output holds what may not be given ({', '.join(result.denied)})")

    async def _inspect(self, run: Run, texts: Sequence[str]) -> list[Inspected]:
        results: list[Inspected] = []
        for batch in shown.batches(texts):
            results += await self._batch(run, batch)
        return results

    async def _batch(self, run: Run, texts: list[str]) -> list[Inspected]:
        if not shown.fits(texts):
            return [_withheld() for _ in texts]
        try:
            return await self._patience.record("policy", lambda: self._inspector.inspect(run, texts))
        except AmasError as error:
            _log.exception("answers of a run are withheld", extra={"run_id": run.id, "reason": error.reason})
            return [_withheld() for _ in texts]


def _withheld() -> Inspected:
    return Inspected(shown.WITHHELD, (UNSCANNABLE,))
