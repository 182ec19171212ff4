"""The call itself, and what becomes of the answer: redaction, bounds, labels.

Called only by enforcement, after the intent stands on the record. An outcome that nobody can know is said to be
unknown: a call that may do harm twice is never repeated (invariant I4). What was revoked while the intent was being
recorded is not sent any more.
"""

from __future__ import annotations

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_governance.labels import Label

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.data_flow import Hiding
from amas_policy_sidecar.domain.errors import Denied, ToolFailed
from amas_policy_sidecar.domain.model import CallResult, Outcome, ToolAnswer
from amas_policy_sidecar.domain.origins import result_trusted
from amas_policy_sidecar.domain.results import Shaped, response_size_within, shape
from amas_policy_sidecar.domain.revocations import check_revocations
from amas_policy_sidecar.ports import Revocations, ToolServers

# Calls of one attempt: the second one only where the first cannot have had an effect, or where two do no harm.
MAX_CALLS = 2
_AGAIN = frozenset({"TOOL_SERVER_UNAVAILABLE"})


class CallTool:
    """Calls a tool once in effect, and shapes the answer."""

    def __init__(self, tools: ToolServers, revocations: Revocations, clock: Clock) -> None:
        self._tools = tools
        self._revocations = revocations
        self._clock = clock

    async def __call__(self, case: Case, most_bytes_in: int) -> tuple[CallResult, Shaped]:
        """The result, cut to so many bytes; a failure of the tool is a result too, never an exception."""
        started = self._clock.monotonic()
        answer, outcome = await self._attempt(case)
        hiding = self._hiding(case)
        size = min(case.grant.server.spec.limits.response_size, response_size_within(most_bytes_in))
        shaped = shape(answer, size, hiding)
        seen = Label(categories=frozenset(hiding.seen))
        result = CallResult(
            outcome=outcome,
            label=case.context.label.join(case.grant.result_label).join(seen),
            result_json=shaped.json_text,
            result_text=shaped.text,
            truncated=shaped.truncated,
            duration=self._clock.monotonic() - started,
            trusted=result_trusted(case),
        )
        return result, shaped

    def _hiding(self, case: Case) -> Hiding:
        """What of the answer this role may not see; the categories that it may see and does rise into the label."""
        if case.contract is None:
            raise RuntimeError("the contract check has not run")
        _, categories = case.contract.clearance
        return Hiding(categories, case.token if case.contract.pseudonymises else None)

    async def _attempt(self, case: Case) -> tuple[ToolAnswer, Outcome]:
        grant = case.grant
        for call in range(1, MAX_CALLS + 1):
            try:
                await self._refuse_revoked(case)
                answer = await self._tools.call(
                    case.context.principal.tenant, grant.server, case.action.name, case.sent_arguments
                )
            except ToolFailed as failure:
                harmless = grant.repeatable or not failure.sent
                if harmless and failure.code in _AGAIN and call < MAX_CALLS:
                    continue
                outcome = Outcome.FAILED if harmless else Outcome.UNKNOWN
                return ToolAnswer(text=f"{failure.code}: {failure.message}", structured=None, is_error=True), outcome
            return answer, Outcome.FAILED if answer.is_error else Outcome.SUCCEEDED
        raise RuntimeError("the last call neither answered nor failed")

    async def _refuse_revoked(self, case: Case) -> None:
        """Raises ToolFailed: the intent stands on the record by now, so that this is how the call ended."""
        try:
            check_revocations(await self._revocations.current(), case.context, case.action.tool)
        except Denied as denied:
            reason = denied.reasons[0]
            raise ToolFailed(reason.code, f"{reason.message}; the call was not made", sent=False) from denied
        except AmasError as error:
            raise ToolFailed(error.reason, f"{error.message}; the call was not made", sent=False) from error
