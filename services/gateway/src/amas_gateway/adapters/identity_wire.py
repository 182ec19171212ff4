"""A principal as the services on the right get it. Only the gateway fills this message from a verified token."""

from __future__ import annotations

from amas.common.v1 import identity_pb2

from amas_gateway.domain.model import Principal


def to_wire(principal: Principal) -> identity_pb2.Principal:
    """Roles sorted, so that the same principal is always the same bytes."""
    return identity_pb2.Principal(
        subject=principal.subject,
        issuer=principal.issuer,
        tenant=principal.tenant,
        roles=sorted(principal.roles),
        groups=principal.groups,
        client_id=principal.client_id,
    )
