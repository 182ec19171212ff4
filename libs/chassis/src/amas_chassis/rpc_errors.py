"""AmasError to and from the wire: google.rpc.Status with ErrorInfo, BadRequest, QuotaFailure and RetryInfo (AIP-193).

It must never put anything on the wire that is not in the AmasError.
"""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no types
from grpc_status import rpc_status

from .errors import AmasError, ErrorKind, FieldViolation, QuotaViolation

__all__ = ["ERROR_DOMAIN", "STATUS_METADATA_KEY", "from_rpc_error", "to_rpc_status"]

# google.rpc.ErrorInfo.domain of everything that these services say.
ERROR_DOMAIN = "amas.dev"
# Trailing metadata that carries the Status (gRPC's richer error model).
STATUS_METADATA_KEY = "grpc-status-details-bin"
# A client's default limit on trailers is 8 KiB, and base64 adds a third; violations beyond that are left out (bytes).
MAX_STATUS_BYTES = 4_096
# Longest text of a message or a violation (characters).
MAX_TEXT = 1_024

_SENTENCES = {
    ErrorKind.UNAVAILABLE: "the service cannot be reached",
    ErrorKind.DEADLINE_EXCEEDED: "the service did not answer in time",
    ErrorKind.RESOURCE_EXHAUSTED: "the message is too large, or the service is asked for too much",
}
# What a caller cancels itself ends in asyncio.CancelledError, never here: a peer that answers CANCELLED is one that
# stops (`channels.py`), and is as good as away.
_KINDS = {getattr(grpc.StatusCode, kind.value): kind for kind in ErrorKind} | {
    grpc.StatusCode.CANCELLED: ErrorKind.UNAVAILABLE
}


def grpc_code(kind: ErrorKind) -> grpc.StatusCode:
    """The gRPC code of a kind."""
    code: grpc.StatusCode = getattr(grpc.StatusCode, kind.value)
    return code


def to_rpc_status(error: AmasError) -> status_pb2.Status:
    """The Status that says what `error` says."""
    status = status_pb2.Status(code=code_pb2.Code.Value(error.kind.value), message=error.message[:MAX_TEXT])
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=error.metadata)
    _pack(status, info)
    if error.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            description = violation.description[:MAX_TEXT]
            bad_request.field_violations.add(field=violation.field[:MAX_TEXT], description=description)
            if status.ByteSize() + bad_request.ByteSize() > MAX_STATUS_BYTES:
                del bad_request.field_violations[-1]
                break
        _pack(status, bad_request)
    if error.quota:
        failure = error_details_pb2.QuotaFailure()
        for used_up in error.quota:
            failure.violations.add(subject=used_up.subject[:MAX_TEXT], description=used_up.description[:MAX_TEXT])
            if status.ByteSize() + failure.ByteSize() > MAX_STATUS_BYTES:
                del failure.violations[-1]
                break
        _pack(status, failure)
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(max(0, round(error.retry_after * 1000)))
        _pack(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def from_rpc_error(error: grpc.aio.AioRpcError) -> AmasError:
    """What a peer answered, as an AmasError; without a Status of ours the reason is RPC_<CODE>.

    The transport's own words name addresses and TLS errors: they stay in `error`, and a sentence stands for them.
    """
    kind = _KINDS.get(error.code(), ErrorKind.INTERNAL)
    status = _status_of(error)
    if status is None:
        return AmasError(kind, f"RPC_{error.code().name}", _SENTENCES.get(kind, "the call failed"))
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    failure = error_details_pb2.QuotaFailure()
    retry = error_details_pb2.RetryInfo()
    retry_after = None
    for detail in status.details:
        known = any(detail.Unpack(message) for message in (info, bad_request, failure))
        if not known and detail.Unpack(retry):
            retry_after = retry.retry_delay.ToMilliseconds() / 1000
    return AmasError(
        kind,
        info.reason or f"RPC_{error.code().name}",
        status.message,
        metadata=dict(info.metadata),
        violations=[FieldViolation(v.field, v.description) for v in bad_request.field_violations],
        quota=[QuotaViolation(v.subject, v.description) for v in failure.violations],
        retry_after=retry_after,
    )


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    try:
        # The stubs know only synchronous calls; the function reads nothing but code, details and trailers.
        status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]
    except ValueError:
        # The details contradict the code: a peer that we cannot trust to describe its own failure.
        return None
    return status


def _pack(status: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
