"""Errors, their way to the wire and back, and its bounds."""

from __future__ import annotations

import pickle
import subprocess
import sys

import grpc
import pytest
from amas_chassis.errors import AmasError, ErrorKind, FieldViolation, QuotaViolation
from amas_chassis.rpc_errors import MAX_STATUS_BYTES, from_rpc_error, grpc_code, to_rpc_status
from google.rpc import code_pb2


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_is_a_code_of_the_wire(kind: ErrorKind) -> None:
    """The taxonomy maps onto gRPC and google.rpc codes of the same number."""
    status = to_rpc_status(AmasError(kind, "REASON", "text"))
    assert status.code == grpc_code(kind).value[0] == code_pb2.Code.Value(kind.value)


def test_domain_code_may_import_errors_without_the_wire() -> None:
    """Importing the errors, the clock, pages and telemetry loads no grpc."""
    program = (
        "import sys, amas_chassis.errors, amas_chassis.clock, amas_chassis.pagination, amas_chassis.telemetry; "
        "sys.exit('grpc' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_error_with_many_violations_still_fits_the_trailers() -> None:
    """Details beyond the limit of trailers are left out, so that the error itself always arrives."""
    violations = [FieldViolation(f"items[{n}].name", "too long " * 50) for n in range(500)]
    status = to_rpc_status(AmasError(ErrorKind.INVALID_ARGUMENT, "REASON", "x" * 100_000, violations=violations))
    assert status.ByteSize() < MAX_STATUS_BYTES + 256
    assert len(status.details) == 2


def test_a_used_up_quota_reaches_the_caller_whole() -> None:
    """google.rpc.QuotaFailure and RetryInfo: which quota, in words, and when to come back; stored errors keep it."""
    quota = [QuotaViolation("quota:acme-mail", "3 of 10 calls are left")]
    error = AmasError(ErrorKind.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", "no", quota=quota, retry_after=30.0)
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", to_rpc_status(error).SerializeToString()))
    told = from_rpc_error(grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), trailers, "no"))
    for each in (told, pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own bytes
        assert (each.quota, each.retry_after, each.reason) == (tuple(quota), 30.0, "QUOTA_EXCEEDED")
    many = [QuotaViolation(f"quota:{n}", "too long " * 50) for n in range(100)]
    assert (
        to_rpc_status(AmasError(ErrorKind.RESOURCE_EXHAUSTED, "R", "m", quota=many)).ByteSize() < MAX_STATUS_BYTES + 256
    )


def test_a_peer_without_details_gives_a_reason_from_its_code() -> None:
    """An error that no service of ours wrote is still an AmasError, and says nothing of where the service is."""
    details = "last error: ipv4:10.0.0.7:7081: Connection refused"
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
    mapped = from_rpc_error(error)
    assert (mapped.kind, mapped.reason) == (ErrorKind.UNAVAILABLE, "RPC_UNAVAILABLE")
    assert mapped.message == "the service cannot be reached"


def test_details_that_contradict_the_code_are_not_believed() -> None:
    """The code of the call wins over a Status that says otherwise."""
    forged = to_rpc_status(AmasError(ErrorKind.NOT_FOUND, "FORGED", "x")).SerializeToString()
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", forged))
    error = grpc.aio.AioRpcError(grpc.StatusCode.PERMISSION_DENIED, grpc.aio.Metadata(), trailers, details="no")
    assert from_rpc_error(error).kind is ErrorKind.PERMISSION_DENIED
    assert from_rpc_error(error).reason == "RPC_PERMISSION_DENIED"


def test_an_error_survives_storage() -> None:
    """A durable engine pickles what a step raised; it comes back whole."""
    violations = [FieldViolation("a", "b")]
    error = AmasError(ErrorKind.ABORTED, "R", "m", metadata={"k": "v"}, violations=violations, retry_after=2.0)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert vars(again) == vars(error)
    assert str(again) == "ABORTED R: m"
