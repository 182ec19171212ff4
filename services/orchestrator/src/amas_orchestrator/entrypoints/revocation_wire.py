"""Revocations as messages of amas.common.v1."""

from __future__ import annotations

from amas.common.v1 import revocation_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.revocations import RevocationKind

from amas_orchestrator.domain.revocations import Revocation

from .run_wire import timestamp

_KINDS = {kind: revocation_pb2.RevocationKind.Value(f"REVOCATION_KIND_{kind.name}") for kind in RevocationKind}


def revocation_kind_of(number: int) -> RevocationKind:
    """The kind in a request; raises AmasError for none, and for a number that is no kind."""
    for kind, known in _KINDS.items():
        if known == number:
            return kind
    raise AmasError(ErrorKind.INVALID_ARGUMENT, "REVOCATION_KIND_UNKNOWN", "kind: role, tool, principal or bundle")


def revocation_message(revocation: Revocation) -> revocation_pb2.Revocation:
    """A revocation."""
    return revocation_pb2.Revocation(
        id=revocation.id,
        tenant=revocation.tenant,
        kind=_KINDS[revocation.kind],
        name=revocation.name,
        reason=revocation.reason,
        revoked_by=revocation.revoked_by,
        revoked_at=timestamp(revocation.revoked_at),
        lifted_at=timestamp(revocation.lifted_at),
        lifted_by=revocation.lifted_by,
        lift_reason=revocation.lift_reason,
    )
