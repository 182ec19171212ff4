"""Asks a route's targets for a whole answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amas_ai_router.domain.bodies import used_tokens
from amas_ai_router.domain.budgets import Hold
from amas_ai_router.domain.model import Operation, ProviderAnswer, Target, Tokens
from amas_ai_router.ports import Providers

from .admit_call import Admission
from .ask_in_turn import AskInTurn


@dataclass(frozen=True, slots=True)
class Asked:
    """Which target answered, what is held for it until the caller settles, and how many attempts there were in all."""

    target: Target
    answer: ProviderAnswer
    hold: Hold | None
    attempts: int


class AskTargets:
    """Failover, retries and hedges for whole answers."""

    def __init__(self, providers: Providers, in_turn: AskInTurn) -> None:
        self._in_turn = in_turn
        self._whole = {operation: _WholeAnswer(providers, operation) for operation in Operation}

    async def run(self, admission: Admission, failovers: list[str]) -> Asked:
        """The first good answer; the caller settles its hold. Raises as AskInTurn.run does."""
        asking = self._whole[admission.operation]
        won, course = await self._in_turn.run(admission, admission.fields, asking, failovers)
        return Asked(won.target, won.result, won.hold, course.attempts)


class _WholeAnswer:
    """One operation's way to ask; see course.Asking."""

    goes_on = False

    def __init__(self, providers: Providers, operation: Operation) -> None:
        self._providers = providers
        self._operation = operation
        self.kind = operation.value

    def limit(self, target: Target) -> float:
        return target.total

    async def ask(self, target: Target, fields: dict[str, Any]) -> ProviderAnswer:
        return await self._providers.ask(target, self._operation, fields)

    def used(self, result: ProviderAnswer, request_bytes: int) -> Tokens:
        return used_tokens(self._operation, result.fields, request_bytes, len(result.body))

    async def discard(self, result: ProviderAnswer) -> None:
        """A whole answer holds nothing."""
