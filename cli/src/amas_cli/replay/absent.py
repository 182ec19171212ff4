"""What follows where the record has no answer for a question: what the record says of the step that asked it.

A step that failed because a model, a tool or time was not to be had says so at its end; a step that had not ended when
the record was made goes no further.
"""

from __future__ import annotations

from typing import NoReturn

from amas_chassis.errors import AmasError, ErrorKind
from amas_orchestrator.domain.bounds import STEP_TIMED_OUT
from amas_orchestrator.usecases.patience import Cancelled, OutOfTime

from .outcomes import RecordEnds
from .recording import Recording

_LATE = frozenset({STEP_TIMED_OUT, "BOUND_WALL_CLOCK_REACHED"})
_LAST = "; last: "


def absent(recording: Recording, step: str, what: str) -> NoReturn:
    """Raises what ended the step, as it is on record; RecordEnds where the record does not say."""
    end = recording.step_ended(step)
    if end is None:
        ended = recording.ended is not None
        why = f"the record holds no {what} here, and no end of the step"
        raise RecordEnds(step, why if ended else f"the run had not come further: there is no {what} yet")
    state = end.data.get("state")
    reason = end.data.get("reason") or {}
    code, message = str(reason.get("code", "")), str(reason.get("message", ""))
    if state == "cancelled":
        raise Cancelled
    if state == "failed" and code in _LATE:
        _, mark, last = message.rpartition(_LAST)
        raise OutOfTime(AmasError(ErrorKind.UNAVAILABLE, last, "as recorded") if mark else None)
    if state == "failed":
        raise AmasError(ErrorKind.FAILED_PRECONDITION, code, message)
    raise RecordEnds(step, f"the run asks here for a {what} that the record does not hold")
