"""The policy-sidecar: the only way to a tool. Enforcer, Inspector and Administration over gRPC."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc
import orjson
from amas.common.v1 import resource_pb2
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas_chassis.channels import Client
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.bundle import Bundle
from amas_governance.canonical import JsonRefused, canonical_json, parse_json
from amas_governance.labels import Integrity, Label
from amas_governance.provenance import TrustedValues

from amas_orchestrator.domain.conversation import ServerOffer, ToolInfo
from amas_orchestrator.domain.model import Json, Principal, Run
from amas_orchestrator.ports import Actor, Decision, Enforced, Grant, Inspected

from .bundle_push import Content, with_bundle
from .wire import decision_of, label_message, label_of, principal_message

if TYPE_CHECKING:
    from amas.policy.v1.policy_pb2_grpc import PolicyServiceAsyncStub


def make_stub(channel: grpc.aio.Channel) -> PolicyServiceAsyncStub:
    """The stub on an asynchronous channel."""
    return policy_pb2_grpc.PolicyServiceStub(channel)


DECIDE_SECONDS = 10.0
CALL_SECONDS = 150.0
"""A tool may take as long as its server's limit says; beyond this the same key is asked again, which joins the call."""
LOAD_SECONDS = 30.0
TOOLS_KEPT_SECONDS = 5.0
"""How long a list of tools is believed. Only what a model is shown depends on it; each call is decided anew."""
MAX_KEPT = 512
_OUTCOMES = {
    policy_pb2.OUTCOME_NOT_CALLED: "not_called",
    policy_pb2.OUTCOME_SUCCEEDED: "succeeded",
    policy_pb2.OUTCOME_FAILED: "failed",
    policy_pb2.OUTCOME_UNKNOWN: "unknown",
}


class PolicyClient:
    """Enforcer."""

    def __init__(self, client: Client[PolicyServiceAsyncStub], content: Content) -> None:
        self._client = client
        self._content = content
        self._tools: dict[tuple[str, ...], tuple[float, list[ToolInfo]]] = {}

    async def list_tools(self, actor: Actor) -> list[ToolInfo]:
        """See Enforcer."""
        key = (actor.principal.tenant, actor.bundle, actor.role, *actor.delegated_by)
        kept = self._tools.get(key)
        now = time.monotonic()
        if kept is not None and now < kept[0]:
            return kept[1]
        request = policy_pb2.ListToolsRequest(context=_context(actor))
        response = await with_bundle(
            lambda: self._client.stub.ListTools(request, timeout=DECIDE_SECONDS),
            lambda: self._load(actor.principal.tenant, actor.bundle),
        )
        tools = [_tool(tool) for tool in response.tools]
        if len(self._tools) >= MAX_KEPT:
            self._tools.clear()
        self._tools[key] = (now + TOOLS_KEPT_SECONDS, tools)
        return tools

    async def decide(self, actor: Actor, tool: str, arguments: Json) -> Decision:
        """See Enforcer."""
        request = policy_pb2.DecideRequest(
            context=_context(actor),
            tool=policy_pb2.ToolAction(tool=tool, arguments_json=canonical_json(arguments).decode()),
        )
        response = await with_bundle(
            lambda: self._client.stub.Decide(request, timeout=DECIDE_SECONDS),
            lambda: self._load(actor.principal.tenant, actor.bundle),
        )
        return decision_of(response.decision)

    async def enforce(self, actor: Actor, tool: str, arguments: Json, key: str, grant: Grant | None = None) -> Enforced:
        """See Enforcer."""
        request = policy_pb2.EnforceRequest(
            context=_context(actor),
            action=policy_pb2.ToolAction(tool=tool, arguments_json=canonical_json(arguments).decode()),
            idempotency_key=key,
            fencing_token=actor.fencing_token,
            approval=_grant(grant) if grant else None,
        )
        response = await with_bundle(
            lambda: self._client.stub.Enforce(request, timeout=CALL_SECONDS),
            lambda: self._load(actor.principal.tenant, actor.bundle),
        )
        outcome = _OUTCOMES.get(response.outcome, "unknown")
        called = outcome in ("succeeded", "failed")
        return Enforced(
            decision=decision_of(response.decision),
            outcome=outcome,
            text=response.result_text or response.result_json,
            label=label_of(response.label) if called else Label.LOWEST,
            trusted=_trusted(response) if called else TrustedValues.NONE,
            duration_ms=response.duration_ms,
        )

    async def may_delegate(self, actor: Actor, delegate: str, task: Json) -> Decision:
        """See Enforcer."""
        action = policy_pb2.DelegateAction(
            delegate=delegate,
            arguments_json=canonical_json(task).decode(),
            fencing_token=actor.fencing_token,
        )
        request = policy_pb2.DecideRequest(context=_context(actor), delegate=action)
        response = await with_bundle(
            lambda: self._client.stub.Decide(request, timeout=DECIDE_SECONDS),
            lambda: self._load(actor.principal.tenant, actor.bundle),
        )
        return decision_of(response.decision)

    async def inspect(self, run: Run, values_json: Sequence[str]) -> list[Inspected]:
        """See Inspector."""
        context = policy_pb2.ActionContext(
            principal=principal_message(run.principal),
            bundle=run.bundle,
            run_id=run.id,
            orchestration=run.orchestration,
        )
        request = policy_pb2.InspectAnswersRequest(context=context, values_json=values_json)
        response = await with_bundle(
            lambda: self._client.stub.InspectAnswers(request, timeout=DECIDE_SECONDS),
            lambda: self._load(run.tenant, run.bundle),
        )
        if len(response.answers) != len(values_json):
            raise AmasError(
                ErrorKind.INTERNAL, "INSPECTION_INCOMPLETE", "the policy-sidecar did not judge every answer"
            )
        return [Inspected(answer.shown_json, tuple(answer.denied)) for answer in response.answers]

    async def may_administer(
        self, principal: Principal, bundle: Bundle, verb: str, resources: Sequence[tuple[str, str]]
    ) -> Decision:
        """See Administration."""
        refs = [resource_pb2.ResourceRef(kind=kind, name=name) for kind, name in resources]
        request = policy_pb2.DecideRequest(
            context=policy_pb2.ActionContext(principal=principal_message(principal), bundle=bundle.digest),
            admin=policy_pb2.AdminAction(verb=verb, resources=refs),
        )
        load = policy_pb2.LoadBundleRequest(digest=bundle.digest, content=bundle.content)
        response = await with_bundle(
            lambda: self._client.stub.Decide(request, timeout=DECIDE_SECONDS),
            lambda: self._client.stub.LoadBundle(load, timeout=LOAD_SECONDS),
        )
        return decision_of(response.decision)

    async def describe(self, bundle: str, server: str, tenant: str) -> ServerOffer:
        """See Enforcer."""
        request = policy_pb2.DescribeToolServerRequest(bundle=bundle, server=server)
        response = await with_bundle(
            lambda: self._client.stub.DescribeToolServer(request, timeout=LOAD_SECONDS),
            lambda: self._load(tenant, bundle),
        )
        tools = [_tool(tool) for tool in response.tools]
        return ServerOffer(tools, response.pin, response.accepted_pin, response.offer_json)

    async def _load(self, tenant: str, digest: str) -> object:
        content = await self._content(tenant, digest)
        request = policy_pb2.LoadBundleRequest(digest=digest, content=content)
        return await self._client.stub.LoadBundle(request, timeout=LOAD_SECONDS)


def _context(actor: Actor) -> policy_pb2.ActionContext:
    return policy_pb2.ActionContext(
        principal=principal_message(actor.principal),
        bundle=actor.bundle,
        run_id=actor.run_id,
        step=actor.step,
        turn=actor.turn,
        orchestration=actor.orchestration,
        role=actor.role,
        delegated_by=actor.delegated_by,
        context_label=label_message(actor.label),
        # In a trusted context all values are, so that nobody asks for single ones.
        approvals_waiting=actor.approvals_waiting,
        trusted_values=actor.trusted.texts if actor.label.integrity is Integrity.UNTRUSTED else (),
    )


def _grant(grant: Grant) -> policy_pb2.ApprovalGrant:
    message = policy_pb2.ApprovalGrant(
        approval_id=grant.approval_id,
        action_digest=grant.action_digest,
        bundle=grant.bundle,
        requester=grant.requester,
        approvers=[answer.approver for answer in grant.answers],
        approver_groups=[f"{answer.approver}:{group}" for answer in grant.answers for group in answer.groups],
        repeats_unknown_outcome=grant.repeats_unknown_outcome,
    )
    message.expires_at.FromDatetime(grant.expires_at)
    message.requested_at.FromDatetime(grant.requested_at)
    for answer in grant.answers:
        message.answered_at.add().FromDatetime(answer.time)
    return message


def _trusted(response: policy_pb2.EnforceResponse) -> TrustedValues:
    """The values of an answer that the sidecar vouches for; a text alone is one value, or the JSON that it is."""
    if not response.trusted or response.outcome != policy_pb2.OUTCOME_SUCCEEDED or response.truncated:
        return TrustedValues.NONE
    texts = (text for text in (response.result_json, response.result_text) if text)
    return TrustedValues.of([_value(text) for text in texts])


def _value(text: str) -> object:
    try:
        return parse_json(text)
    except JsonRefused:
        return text


def _tool(tool: policy_pb2.Tool) -> ToolInfo:
    schema = orjson.loads(tool.arguments_schema_json or "{}")
    return ToolInfo(tool.name, tool.description, schema, tool.effect, tool.idempotent)
