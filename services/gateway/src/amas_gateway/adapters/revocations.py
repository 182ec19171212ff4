"""Revocations over gRPC: made and listed by the orchestrator, and the revoked principals kept here, to refuse them.

The kept ones are read again four times a second. For longer than a second nothing is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from amas.common.v1.revocation_pb2 import RevocationKind
from amas.orchestrator.v1 import orchestrator_pb2 as pb
from amas_chassis.clock import Clock
from amas_chassis.kept_fresh import KeptFresh

from amas_gateway.domain import model
from amas_gateway.domain.errors import principal_revoked
from amas_gateway.domain.model import Principal

from .identity_wire import to_wire
from .orchestrator_calls import OrchestratorCalls

# The orchestrator answers when the revocation is everywhere.
CALL_TIMEOUT_SECONDS = 20.0
# Seconds between two looks, how long one is believed, and how long it may take.
INTERVAL = 0.25
LEASE = 0.9
LOOK_TIMEOUT_SECONDS = 1.0


class OrchestratorRevocations:
    """Port `Revocations`."""

    def __init__(self, orchestrator: OrchestratorCalls) -> None:
        self._orchestrator = orchestrator

    async def revoke(
        self, principal: Principal, what: model.Revocable, reason: str, force: bool
    ) -> model.RevocationAnswer:
        request = pb.RevokeRequest(
            principal=to_wire(principal), kind=_kind(what), name=what.name, reason=reason, force=force
        )
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.Revoke(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return model.RevocationAnswer(answer.revocation, answer.existed)

    async def restore(self, principal: Principal, what: model.Revocable, reason: str) -> model.RevocationAnswer:
        request = pb.RestoreRequest(principal=to_wire(principal), kind=_kind(what), name=what.name, reason=reason)
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.Restore(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return model.RevocationAnswer(answer.revocation, answer.existed)

    async def list(self, principal: Principal, lifted_too: bool, page: model.PageQuery) -> model.Page[model.Revocation]:
        request = pb.ListRevocationsRequest(
            principal=to_wire(principal), all=lifted_too, page_size=page.size, page_token=page.token
        )
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.ListRevocations(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return model.Page(answer.revocations, answer.next_page_token)


@dataclass(frozen=True, slots=True)
class _Known:
    version: int
    principals: frozenset[tuple[str, str]]


class RevokedPrincipals:
    """Port `RevokedPrincipals`. `run` is a background task of the service; it finds out whether anybody answers."""

    def __init__(self, orchestrator: OrchestratorCalls, clock: Clock) -> None:
        self._orchestrator = orchestrator
        self._kept = KeptFresh("revoked principals", self._look, clock, interval=INTERVAL, lease=LEASE)

    async def run(self) -> None:
        """Looks for ever."""
        await self._kept.run()

    async def check(self) -> None:
        """Raises until it was known once who is revoked."""
        await self._kept.check()

    def has(self, principal: Principal) -> bool:
        known = self._kept.last
        return known is not None and (principal.tenant, principal.subject) in known.principals

    async def refuse(self, principal: Principal) -> None:
        hold = self._orchestrator.hold
        hold.needed()
        known = self._kept.at_hand
        if known is None:
            known = await hold(principal.tenant, self._kept.get)
        if (principal.tenant, principal.subject) in known.principals:
            raise principal_revoked()

    async def _look(self) -> _Known:
        last = self._kept.last
        request = pb.GetRevokedPrincipalsRequest(known_version=last.version if last else 0)
        answer = await self._orchestrator.look(
            lambda stub: stub.GetRevokedPrincipals(request, timeout=LOOK_TIMEOUT_SECONDS)
        )
        if last is not None and answer.version == last.version:
            return last
        return _Known(answer.version, frozenset((one.tenant, one.subject) for one in answer.principals))


def _kind(what: model.Revocable) -> RevocationKind.ValueType:
    return cast("RevocationKind.ValueType", what.kind)
