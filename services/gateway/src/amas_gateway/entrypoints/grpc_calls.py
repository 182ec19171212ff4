"""What the services of the public gRPC API share: the caller of a call, and messages that are handed on unopened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from google.protobuf.message import Message

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import TokenFault, token_refused
from amas_gateway.domain.model import Principal, RunEvent
from amas_gateway.usecases.catalogue import Catalogue

from .access import Access, Caller

MessageT = TypeVar("MessageT", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]


class Calls:
    """What the three services share: the caller of a call."""

    def __init__(self, verbs: Catalogue, access: Access, clock: Clock) -> None:
        self.verbs = verbs
        self.clock = clock
        self._access = access

    async def admit(self, context: Context, action: Action) -> Principal:
        """The principal of the call, if it may do the action."""
        caller = Caller()
        await self._access.identify(caller, metadata(context, "authorization"))
        return await self._access.admit(caller, action)

    def refused(self, principal: Principal, action: Action, error: AmasError) -> None:
        """Records a refusal that came after the admission."""
        self._access.refused(Caller(principal=principal, action=action), error)

    async def while_valid(self, principal: Principal, events: AsyncIterator[RunEvent]) -> RunEvent | None:
        """The next event, or None at the end. Raises UNAUTHENTICATED when the principal's token ends first."""
        left = principal.expires_at - self.clock.now().timestamp()
        try:
            async with asyncio.timeout(max(0.0, left)):
                return await anext(events, None)
        except TimeoutError as error:
            raise token_refused(TokenFault.EXPIRED) from error


def metadata(context: Context, name: str) -> str | None:
    """One text entry of the call's metadata."""
    for key, value in context.invocation_metadata() or ():
        if key == name and isinstance(value, str):
            return value
    return None


def carried_as(kind: type[MessageT], carried: object) -> MessageT:
    """The carried message, which the orchestrator sent as this kind."""
    if not isinstance(carried, kind):
        raise TypeError(f"a {kind.__name__} was expected")
    return carried
