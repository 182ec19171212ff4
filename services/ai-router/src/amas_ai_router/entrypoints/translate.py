"""Messages to domain values and back. Nothing is decided here."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from amas.common.v1 import identity_pb2, label_pb2, usage_pb2
from amas.router.v1 import router_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.labels import Confidentiality, Integrity, Label
from google.protobuf.timestamp_pb2 import Timestamp

from amas_ai_router.domain.model import CallContext, CallReport, ModelRequest, Principal, Usage
from amas_ai_router.domain.pricing import format_cost
from amas_ai_router.domain.usage_query import UsageQuery, UsageSum

_BodyRequest = router_pb2.CompleteRequest | router_pb2.StreamCompleteRequest | router_pb2.EmbedRequest

# Principals that are remembered; each is some KB at most.
MAX_PRINCIPALS = 4_096


def model_request(message: _BodyRequest) -> ModelRequest:
    """A call from any of the three messages that have the same fields."""
    return ModelRequest(call_context(message.context), message.route, message.body)


def call_context(message: router_pb2.CallContext) -> CallContext:
    """Who calls, where."""
    return CallContext(
        principal=_principal(message.principal.SerializeToString(deterministic=True)),
        bundle=message.bundle,
        label=_label(message.label),
        run_id=message.run_id,
        step=message.step,
        role=message.role,
        orchestration=message.orchestration,
        idempotency_key=message.idempotency_key,
        fencing_token=message.fencing_token,
        no_cache=message.no_cache,
    )


@lru_cache(maxsize=MAX_PRINCIPALS)
def _principal(content: bytes) -> Principal:
    """The principal of a message's bytes: the same for most calls, and a dozen fields to read."""
    principal = identity_pb2.Principal.FromString(content)
    return Principal(
        subject=principal.subject,
        issuer=principal.issuer,
        tenant=principal.tenant,
        roles=tuple(principal.roles),
        groups=tuple(principal.groups),
        client_id=principal.client_id,
    )


def _label(message: label_pb2.Label) -> Label:
    """A label; what a caller leaves out is the lowest, what nobody defined is refused."""
    try:
        return Label(
            Confidentiality(message.confidentiality or Confidentiality.PUBLIC),
            frozenset(message.categories),
            Integrity.UNTRUSTED if message.integrity == label_pb2.INTEGRITY_UNTRUSTED else Integrity.TRUSTED,
        )
    except ValueError as error:
        raise AmasError(ErrorKind.INVALID_ARGUMENT, "LABEL_INVALID", "the label is not one that exists") from error


def report_message(report: CallReport) -> router_pb2.CallReport:
    """How a call was served."""
    return router_pb2.CallReport(
        call_id=report.call_id,
        provider=report.provider,
        model=report.model,
        usage=usage_message(report.usage),
        attempts=report.attempts,
        duration_ms=report.duration_ms,
        replayed=report.replayed,
        failovers=report.failovers,
        cache=report.cache,
        saved=(
            usage_pb2.Money(amount=format_cost(report.saved), currency=report.usage.currency) if report.cache else None
        ),
    )


def usage_message(usage: Usage) -> usage_pb2.Usage:
    """Tokens and money."""
    tokens = usage.tokens
    return usage_pb2.Usage(
        input_tokens=tokens.input,
        cached_input_tokens=tokens.cached_input,
        output_tokens=tokens.output,
        cost=usage_pb2.Money(amount=format_cost(usage.cost), currency=usage.currency),
        estimated=tokens.estimated,
    )


def usage_query(message: router_pb2.QueryUsageRequest) -> UsageQuery:
    """What is asked of the ledger."""
    return UsageQuery(
        tenant=message.tenant,
        run_id=message.run_id,
        since=_time(message.since) if message.HasField("since") else None,
        until=_time(message.until) if message.HasField("until") else None,
        page_size=message.page_size,
        page_token=message.page_token,
    )


def _time(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)


def usage_row(found: UsageSum) -> router_pb2.UsageRow:
    """One row of sums."""
    group = found.group
    return router_pb2.UsageRow(
        run_id=group.run_id,
        role=group.role,
        route=group.route,
        provider=group.provider,
        model=group.model,
        calls=found.calls,
        usage=usage_message(found.usage),
        cache_hits=found.cache_hits,
        saved=usage_pb2.Money(amount=format_cost(found.saved), currency=group.currency),
    )
