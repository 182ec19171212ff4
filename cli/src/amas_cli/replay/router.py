"""The ai-router of a replay: answers a model call from the record, if it is the very call that was recorded.

Stands behind the orchestrator's own client, where the stub of the service stood: the request's bytes have the digest
that is on record, or what differs is noted. No model is asked, ever.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from amas.common.v1 import usage_pb2
from amas.router.v1 import router_pb2
from amas_ai_router.domain.pricing import format_cost
from amas_ai_router.domain.records import KeyScope, bytes_digest, call_id_for

from .absent import absent
from .deriving import Deriving
from .outcomes import Difference, RecordEnds
from .recording import Event, Recording


class RecordedRouter:
    """RouterService, as far as a run uses it."""

    def __init__(self, recording: Recording, deriving: Deriving) -> None:
        self._recording = recording
        self._deriving = deriving
        self.answered = 0

    async def Complete(  # noqa: N802 - the name of the method in the contract
        self, request: router_pb2.CompleteRequest, **_: object
    ) -> router_pb2.CompleteResponse:
        """The recorded answer of this very call."""
        context = request.context
        event = model_call(self._recording, context.principal.subject, context.idempotency_key)
        if event is None:
            absent(self._recording, context.step, "model call")
        data = event.data
        if bytes_digest(request.body) != data.get("requestDigest"):
            self._deriving.note(_other_request(event, request.body))
        await self._deriving.model(context, request.route)
        body = event.text("response")
        if body is None:
            raise RecordEnds(context.step, contents_missing(event))
        self.answered += 1
        return router_pb2.CompleteResponse(body=body.encode(), report=_report(data))


def model_call(recording: Recording, principal: str, key: str) -> Event | None:
    """The record of the model call with an idempotency key."""
    return recording.model_called(call_id_for(KeyScope(recording.tenant, principal, key)))


def contents_missing(event: Event) -> str:
    """Why a model call cannot be answered from the record."""
    if any(name in event.contents for name in ("request", "response")):
        return "what the model was told or said was erased"
    omitted = event.data.get("contentsOmitted")
    if omitted:
        return f"the model's answer is not on record: it has {omitted}"
    return f"the model's answer is not on record: role {event.members.get('role')} has `model.audit: digest`"


def _report(data: Any) -> router_pb2.CallReport:
    usage = data["usage"]
    cost = usage["cost"]
    return router_pb2.CallReport(
        call_id=str(data["callId"]),
        provider=str(data["provider"]),
        model=str(data["model"]),
        usage=usage_pb2.Usage(
            input_tokens=int(usage["inputTokens"]),
            cached_input_tokens=int(usage["cachedInputTokens"]),
            output_tokens=int(usage["outputTokens"]),
            estimated=bool(usage["estimated"]),
            cost=usage_pb2.Money(amount=format_cost(Decimal(cost["amount"])), currency=str(cost["currency"])),
        ),
        attempts=int(data["attempts"]),
        duration_ms=int(data["durationMs"]),
    )


def _other_request(event: Event, body: bytes) -> Difference:
    recorded = event.text("request")
    where = f"model call in {event.step} ({event.id})"
    if recorded is None:
        return Difference("request", where, event.data.get("requestDigest"), bytes_digest(body))
    return Difference("request", where, _readable(recorded), _readable(body.decode("utf-8", "replace")))


def _readable(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
