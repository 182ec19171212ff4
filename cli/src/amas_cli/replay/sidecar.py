"""The policy-sidecar of a replay: answers from the record, if it is asked exactly what was asked then.

Stands behind the orchestrator's own client, where the stub of the service stood. No tool is called, ever. Each question
is held against the record: who asks, in which context, for which action with which arguments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from amas.policy.v1 import policy_pb2
from amas_governance.actions import action_digest
from amas_governance.bundle import Bundle
from amas_governance.canonical import digest_bytes, parse_json
from amas_orchestrator.domain.conversation import DELEGATE_PREFIX, function_of
from amas_orchestrator.domain.ids import place_key
from amas_policy_sidecar.adapters.bundle_store import BundleStore
from amas_policy_sidecar.domain.contract import resolve_contract, resolve_grant
from amas_policy_sidecar.domain.model import (
    ActionContext,
    CallResult,
    Decision,
    Effect,
    EnforceCommand,
    Enforced,
    Outcome,
    Reason,
    ToolAction,
)
from amas_policy_sidecar.domain.policy_document import read_requirement
from amas_policy_sidecar.domain.records import replay as recorded_answer
from amas_policy_sidecar.entrypoints import wire
from amas_policy_sidecar.usecases.inspect_answers import InspectAnswers

from .absent import absent
from .deriving import Deriving, without_id
from .outcomes import Difference, RecordEnds
from .recording import INTENT, Event, Recording
from .router import contents_missing, model_call

UNKNOWN_ENDING = "OUTCOME_UNKNOWN: an earlier attempt began this call, and nobody knows how it ended"


class RecordedSidecar:
    """PolicyService, as far as a run uses it."""

    def __init__(self, recording: Recording, bundle: Bundle, deriving: Deriving) -> None:
        self._recording = recording
        self._bundle = bundle
        self._deriving = deriving
        bundles = BundleStore()
        bundles.put(bundle)
        self._inspect = InspectAnswers(bundles)
        self.answered = 0

    async def ListTools(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.ListToolsRequest, **_: object
    ) -> policy_pb2.ListToolsResponse:
        """The tools that the model was shown in this very turn; none where it was not asked: then nobody was shown."""
        context = wire.read_context(request.context)
        key = place_key(context.run_id, context.step, context.turn)
        event = model_call(self._recording, context.principal.subject, key)
        if event is None:
            return policy_pb2.ListToolsResponse()
        shown = event.text("request")
        if shown is None:
            raise RecordEnds(context.step, contents_missing(event))
        return policy_pb2.ListToolsResponse(tools=list(self._shown(context, json.loads(shown).get("tools") or [])))

    def _shown(self, context: ActionContext, functions: list[Any]) -> list[policy_pb2.Tool]:
        contract = resolve_contract(self._bundle, context)
        names = {function_of(grant.name): grant.name for grant in contract.acting.spec.tools}
        tools = []
        for function in (entry["function"] for entry in functions):
            name = names.get(function["name"], "")
            if not name and str(function["name"]).startswith(DELEGATE_PREFIX):
                continue
            grant = resolve_grant(self._bundle, contract, ToolAction(name, "{}"))
            schema = json.dumps(function["parameters"], ensure_ascii=False)
            tools.append(
                policy_pb2.Tool(
                    name=name,
                    description=function["description"],
                    arguments_schema_json=schema,
                    effect=grant.effect,
                    idempotent=grant.idempotent,
                )
            )
        return tools

    async def Enforce(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.EnforceRequest, **_: object
    ) -> policy_pb2.EnforceResponse:
        """The recorded decision and, if the tool was called, its recorded answer."""
        command = wire.read_command(request)
        answers = self._recording.answers(command.idempotency_key)
        if not answers:
            absent(self._recording, command.context.step, "tool call")
        for event in answers:
            self._hold_against(event, command)
        self.answered += 1
        return wire.write_enforced(self._answer(answers, command))

    def _answer(self, answers: list[Event], command: EnforceCommand) -> Enforced:
        outcome = self._recording.outcome(command.idempotency_key)
        if outcome is not None:
            if any(given.data is None for given in outcome.contents.values()):
                raise RecordEnds(command.context.step, f"what {command.action.tool} answered was erased")
            return recorded_answer(outcome.data)
        event = answers[-1]
        decision, action = _decision(event.data["decision"]), event.action
        result = CallResult(outcome=Outcome.NOT_CALLED, label=command.context.label)
        if event.type == INTENT:
            # It was begun, and nobody knows how it ended; if nobody was asked about it either, the record ends here.
            if self._recording.step_ended(command.context.step) is None and not self._asked_about(command):
                raise RecordEnds(command.context.step, f"the outcome of {command.action.tool} is not on record")
            result = CallResult(Outcome.UNKNOWN, command.context.label, result_text=UNKNOWN_ENDING)
        return Enforced(decision, result, effect=str(action["effect"]), idempotent=bool(action["idempotent"]))

    def _asked_about(self, command: EnforceCommand) -> bool:
        return any(
            event.data.get("kind") == "unknown_outcome" and event.step == command.context.step
            for event in self._recording.of_type("dev.amas.approval.requested")
        )

    def _hold_against(self, event: Event, command: EnforceCommand) -> None:
        """Notes where the question is not the one that was decided about."""
        context = command.context
        asked = {
            "tool": command.action.tool,
            "argumentsDigest": digest_bytes(command.action.arguments_json.encode()),
            "digest": _digest(command),
            **_who(context),
        }
        document = event.data.get("input") or {}
        recorded = {
            "tool": event.action.get("tool"),
            "argumentsDigest": event.action.get("argumentsDigest"),
            # Refused before the action had a name.
            "digest": event.action.get("digest") or asked["digest"],
            **(_recorded_who(document) if document else _who(context)),
        }
        if asked != recorded:
            where = f"{command.action.tool} in {context.step} ({event.id})"
            self._deriving.note(Difference("question", where, recorded, asked))

    async def Decide(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.DecideRequest, **_: object
    ) -> policy_pb2.DecideResponse:
        """A decision about a sub-task: derived from the bundle and the re-run alone, then held against the record."""
        context, action = wire.read_context(request.context), wire.read_delegate_action(request.delegate)
        digest = digest_bytes(action.arguments_json.encode())
        recorded = self._recording.delegations(context.step, digest, action.delegate)
        if not recorded:
            absent(self._recording, context.step, "delegation")
        decision, data = await self._deriving.delegation(context, action)
        for event in recorded:
            if without_id(data) != without_id(event.data):
                where = f"delegate/{action.delegate} in {context.step} ({event.id})"
                self._deriving.note(Difference("decision", where, event.data, data))
        self.answered += 1
        return policy_pb2.DecideResponse(decision=wire.write_decision(decision))

    async def InspectAnswers(  # noqa: N802 - the name of the method in the contract
        self, request: policy_pb2.InspectAnswersRequest, **_: object
    ) -> policy_pb2.InspectAnswersResponse:
        """What callers may see of the run, by the rules of the bundle; pseudonyms need a secret that is not here."""
        results = self._inspect(wire.read_context(request.context), list(request.values_json))
        return policy_pb2.InspectAnswersResponse(answers=[wire.write_inspected(result) for result in results])


def _who(context: ActionContext) -> dict[str, Any]:
    principal = context.principal
    return {
        "principal": {
            "subject": principal.subject,
            "issuer": principal.issuer,
            "tenant": principal.tenant,
            "roles": sorted(principal.roles),
            "groups": sorted(principal.groups),
        },
        "role": context.role,
        "delegatedBy": list(context.delegated_by),
        "label": context.label.to_dict(),
    }


def _recorded_who(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "principal": document["principal"],
        "role": document["role"]["name"],
        "delegatedBy": document["role"]["delegatedBy"],
        "label": document["context"]["label"],
    }


def _digest(command: EnforceCommand) -> str:
    context = command.context
    return action_digest(
        tenant=context.principal.tenant,
        run_id=context.run_id,
        step=context.step,
        role=context.role,
        tool=command.action.tool,
        arguments=parse_json(command.action.arguments_json),
    )


def _decision(data: Mapping[str, Any]) -> Decision:
    approval = data.get("approval")
    return Decision(
        id=str(data["id"]),
        effect=Effect(data["effect"]),
        bundle=str(data["bundle"]),
        action_digest=str(data["actionDigest"]),
        reasons=tuple(Reason(reason["code"], reason["message"]) for reason in data["reasons"]),
        obligations=tuple(data["obligations"]),
        approval=None if approval is None else read_requirement(approval),
    )
