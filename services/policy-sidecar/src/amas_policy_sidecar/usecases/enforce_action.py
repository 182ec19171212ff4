"""Decide about one tool call and, if it is allowed, do it: the only way to a tool (invariants I1 to I4).

Revocations → contract → policy → labels and DLP → quota, and revocations again → record of the intent → call →
redaction and labels → record of the outcome.
No step may be skipped, and a step that cannot be made stops the action.
"""

from __future__ import annotations

from dataclasses import replace

from amas_chassis.errors import AmasError
from amas_governance.canonical import digest, digest_bytes

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import CallResult, Decision, Effect, EnforceCommand, Enforced, Outcome
from amas_policy_sidecar.domain.quota import QuotaClaim, Used, claim_for
from amas_policy_sidecar.domain.records import DENIED, action_json, outcome_data, replay
from amas_policy_sidecar.ports import Quota
from amas_policy_sidecar.telemetry import Instruments

from .attempts import Attempts, Identity
from .call_tool import CallTool
from .count_outcome import CountOutcome
from .judge_action import JudgeAction
from .record_action import RecordAction, Standing
from .record_fault import RecordFault
from .record_outcome import RecordOutcome
from .record_waiting import RecordWaiting
from .take_quota import TakeQuota
from .wait_in_line import Lines


class EnforceAction:
    """Enforcement of tool calls."""

    def __init__(
        self,
        *,
        judge: JudgeAction,
        quota: Quota,
        take: TakeQuota,
        record: RecordAction,
        waiting: RecordWaiting,
        outcomes: RecordOutcome,
        call: CallTool,
        attempts: Attempts,
        faults: RecordFault,
        counts: CountOutcome,
        instruments: Instruments,
    ) -> None:
        self._judge = judge
        self._quota = quota
        self._take = take
        self._record = record
        self._waiting = waiting
        self._outcomes = outcomes
        self._call = call
        self._attempts = attempts
        self._faults = faults
        self._counts = counts
        self._instruments = instruments
        self._lines = Lines()

    async def __call__(self, command: EnforceCommand) -> Enforced:
        """The decision and, if there was a call, its result; the same key gives the same answer.

        Raises AmasError when a check or the record cannot be made (UNAVAILABLE: nothing was done that is not
        recorded or held), and for FENCED, IDEMPOTENCY_KEY_REUSED and BUNDLE_UNKNOWN.
        """
        identity = (command.context.principal.tenant, command.idempotency_key)
        fingerprint = _fingerprint(command)

        async def work() -> Enforced:
            held = await self._outcomes.deliver(identity, fingerprint)
            answer = held or await self._enforce(command, identity, fingerprint)
            self._instruments.decided(answer.decision, "enforce")
            if answer.result.outcome is not Outcome.NOT_CALLED:
                self._attempts.remember(identity, fingerprint, answer)
            return answer

        answer, known = await self._attempts.join(identity, fingerprint, work)
        return replace(answer, replayed=True) if known else answer

    async def _enforce(self, command: EnforceCommand, identity: Identity, fingerprint: str) -> Enforced:
        self._outcomes.refuse_if_full()
        case = Case(command.context, command.action, command.approval)
        decision = await self._judged(case, command)
        repeats = case.approval is not None and case.approval.repeats_unknown_outcome
        if decision.effect is not Effect.ALLOW:
            return await self._refuse(case, decision, command, repeats=repeats)
        approvers = () if case.approval is None else case.approval.approvers
        claim = claim_for(case, command.idempotency_key, repeats=repeats, approvers=approvers)
        async with self._lines.place(claim):
            try:
                bytes_in = await self._take(case, claim)
            except Denied as denied:
                return await self._refuse(case, case.decide(Effect.DENY, denied.reasons), command, repeats=repeats)
            except AmasError as error:
                await self._waiting(case, command, error)
                raise
            used = Used()
            try:
                return await self._call_on_record(case, decision, command, identity, fingerprint, bytes_in, used)
            finally:
                await self._quota.settle(claim, used)

    async def _judged(self, case: Case, command: EnforceCommand) -> Decision:
        try:
            return await self._judge(case)
        except AmasError as error:
            await self._faults(
                DENIED,
                case.context,
                error,
                question=command.idempotency_key,
                action=action_json(case, command.idempotency_key),
                role_version=case.role_version,
                fencing_token=command.fencing_token,
            )
            raise

    async def _call_on_record(
        self,
        case: Case,
        decision: Decision,
        command: EnforceCommand,
        identity: Identity,
        fingerprint: str,
        most_bytes_in: int,
        used: Used,
    ) -> Enforced:
        """Calls the tool between the record of the intent and that of the outcome; leaves in `used` what it took."""
        attempt = self._attempts.prepare(identity)
        try:
            standing = await self._record.intent(case, decision, command, attempt)
        except Denied as denied:
            return await self._refuse(case, case.decide(Effect.DENY, denied.reasons), command, repeats=False)
        if standing.outcome is not None:
            return replay(standing.outcome)
        if not standing.ours and not case.grant.repeatable:
            return await self._unknown(case, decision, command)
        self._attempts.begin(identity)
        result, shaped = await self._call(case, most_bytes_in)
        used.bytes_in, used.seconds = shaped.size, result.duration
        self._instruments.called(case.grant, result, bytes_in=shaped.size)
        await self._counts.called(case, command.idempotency_key, result.outcome)
        data = outcome_data(case, decision, command.idempotency_key, result, shaped.structured)
        answer = Enforced(decision, result, effect=case.effect, idempotent=case.idempotent)
        return await self._outcomes(case, command.idempotency_key, data, answer, identity, fingerprint)

    async def _refuse(self, case: Case, decision: Decision, command: EnforceCommand, *, repeats: bool) -> Enforced:
        """Answer a refusal, unless an earlier attempt with this key was allowed and began: then that one's outcome."""
        earlier = await self._earlier(case, decision, command)
        if earlier is not None:
            return earlier
        if decision.effect is Effect.ESCALATE:
            decision = await self._escalable(case, decision, command, repeats=repeats)
        await self._record.refusal(case, decision, command)
        if decision.effect is Effect.DENY:
            await self._counts.denied(case, command.idempotency_key, decision)
        result = CallResult(outcome=Outcome.NOT_CALLED, label=case.context.label)
        return Enforced(decision, result, effect=case.effect, idempotent=case.idempotent)

    async def _earlier(self, case: Case, decision: Decision, command: EnforceCommand) -> Enforced | None:
        if not case.digest or case.granted is None:
            return None
        try:
            standing: Standing | None = await self._record.standing(case, command, "")
        except Denied:
            return None
        if standing is None:
            return None
        if standing.outcome is not None:
            return replay(standing.outcome)
        return None if case.grant.repeatable else await self._unknown(case, decision, command)

    async def _unknown(self, case: Case, decision: Decision, command: EnforceCommand) -> Enforced:
        await self._counts.called(case, command.idempotency_key, Outcome.UNKNOWN)
        return _unknown(case, decision)

    async def _escalable(self, case: Case, decision: Decision, command: EnforceCommand, *, repeats: bool) -> Decision:
        """The escalation, or a denial if the quota would refuse the action once it is approved."""
        claim: QuotaClaim = claim_for(case, command.idempotency_key, repeats=repeats)
        try:
            await self._take.peek(case, claim)
        except Denied as denied:
            return case.decide(Effect.DENY, denied.reasons)
        return decision


def _unknown(case: Case, decision: Decision) -> Enforced:
    """An earlier attempt began a call that must not be repeated, and left no outcome."""
    result = CallResult(
        outcome=Outcome.UNKNOWN,
        label=case.context.label.join(case.grant.result_label),
        result_text="OUTCOME_UNKNOWN: an earlier attempt began this call, and nobody knows how it ended",
    )
    return Enforced(decision, result, effect=case.effect, idempotent=case.idempotent, replayed=True)


def _fingerprint(command: EnforceCommand) -> str:
    """What a key may be used for: exactly one proposal of one role in one step under one bundle."""
    context = command.context
    return digest(
        {
            "bundle": context.bundle,
            "run": context.run_id,
            "step": context.step,
            "role": context.role,
            "delegatedBy": list(context.delegated_by),
            "tool": command.action.tool,
            "arguments": digest_bytes(command.action.arguments_json.encode("utf-8", "replace")),
        }
    )
