"""The way to the orchestrator that all adapters share: its errors, the hold while nobody answers, the look for one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from amas_chassis.channels import Client
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from .hold import SERVICE, Hold
from .upstream import AWAY, LATE, errors_of

if TYPE_CHECKING:
    from amas.orchestrator.v1.orchestrator_pb2_grpc import OrchestratorServiceAsyncStub

__all__ = ["SERVICE", "OrchestratorCalls"]

# So long after nobody answered a new channel is tried, and again each time (seconds).
RENEW_SECONDS = 2.0

AnswerT = TypeVar("AnswerT")


class OrchestratorCalls:
    """Calls of the orchestrator."""

    def __init__(self, client: Client[OrchestratorServiceAsyncStub], hold: Hold, clock: Clock) -> None:
        self.hold = hold
        self._client = client
        self._clock = clock
        # Since when nobody answers on the channel that there is.
        self._silent_since: float | None = None

    @property
    def stub(self) -> OrchestratorServiceAsyncStub:
        """For streams; do not keep it."""
        return self._client.stub

    async def ask(self, tenant: str, call: Callable[[OrchestratorServiceAsyncStub], Awaitable[AnswerT]]) -> AnswerT:
        """The answer to a unary call on behalf of a tenant's request, which is held while nobody is there."""
        return await self.hold(tenant, lambda: self.once(call))

    async def once(self, call: Callable[[OrchestratorServiceAsyncStub], Awaitable[AnswerT]]) -> AnswerT:
        """The same, of a call that several requests share: whoever waits for it is held by itself."""
        with errors_of(SERVICE):
            return await call(self._client.stub)

    async def look(self, call: Callable[[OrchestratorServiceAsyncStub], Awaitable[AnswerT]]) -> AnswerT:
        """The answer to a call on nobody's behalf: it is never held, and tells those who are whether somebody came."""
        try:
            answer = await self.once(call)
        except AmasError as error:
            if error.reason in (AWAY, LATE):
                self._nobody(error.reason)
            else:
                self._somebody()
            raise
        self._somebody()
        return answer

    def _somebody(self) -> None:
        self._silent_since = None
        self.hold.came()

    def _nobody(self, reason: str) -> None:
        now = self._clock.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        silent = now - self._silent_since >= RENEW_SECONDS
        # Once late it may just be busy.
        if reason == AWAY or silent:
            self.hold.left()
        if reason == AWAY and silent:
            self._client.renew()
            self._silent_since = now
