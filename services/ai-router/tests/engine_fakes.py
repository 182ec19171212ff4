"""The engine alone in virtual time: scripted providers that take their time, and billing that counts every hold."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from random import Random
from typing import Any

import orjson
from amas_ai_router.domain.budgets import Amount, Hold
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Decision, Operation, ProviderAnswer, Route, Strategy, Target, Tokens
from amas_ai_router.telemetry import RouterTelemetry
from amas_ai_router.usecases.admit_call import Admission
from amas_ai_router.usecases.ask_in_turn import AskInTurn
from amas_ai_router.usecases.ask_targets import Asked, AskTargets
from amas_ai_router.usecases.open_stream import OpenedStream, OpenStream
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.resources import ModelRouteSpec
from prometheus_client import CollectorRegistry

from .fakes import MESSAGES, FakeStream, answer, make_context
from .virtual_time import VirtualLoop

FIELDS = {"messages": MESSAGES}


def target(name: str, *, weight: int = 1, first_token: float = 10.0, total: float = 60.0) -> Target:
    """A target of the provider `name`."""
    return Target(
        name, "m", "openai", f"http://{name}.test", (), first_token, total, weight, (), 64, "most", "", "", 1.0
    )


def admission(names: str, *, run: str = "", strategy: str = "priority", **spec: Any) -> Admission:
    """A call on a route over targets with names of one letter; `spec` is the route's, as it stands in YAML."""
    manifest = {"targets": [{"provider": name, "model": "m"} for name in names], "strategy": strategy, **spec}
    parsed = ModelRouteSpec.model_validate_json(orjson.dumps(manifest))
    route = Route("r", Strategy(strategy), tuple(target(name) for name in names), parsed)
    context = make_context("sha256:b", run_id=run)
    return Admission(
        context=context,
        operation=Operation.CHAT,
        route=route,
        role_version="",
        fields=FIELDS,
        decision=Decision("d", allowed=True),
        refusal=None,
        request_digest="",
    )


class SlowProviders:
    """Each target has a script: what happens at each attempt, and after how many seconds. The last entry repeats."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.script: dict[str, list[tuple[float, Any]]] = {}
        self.asked: list[tuple[str, float]] = []
        self.sent: list[dict[str, Any]] = []
        self.cancelled: Counter[str] = Counter()
        self.streams: list[FakeStream] = []

    def will(self, name: str, *steps: tuple[float, Any]) -> None:
        self.script[name] = list(steps)

    async def ask(self, asked: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        result = await self._result(asked.provider, fields)
        return answer() if result is None else result

    async def open_stream(self, asked: Target, fields: dict[str, Any]) -> FakeStream:
        steps = await self._result(asked.provider, fields)
        self.streams.append(FakeStream(steps or []))
        return self.streams[-1]

    @property
    def names(self) -> str:
        """Targets that were asked, in order."""
        return "".join(name for name, _ in self.asked)

    async def _result(self, name: str, fields: dict[str, Any]) -> Any:
        self.asked.append((name, self._loop.seconds))
        self.sent.append(fields)
        steps = self.script.get(name, [(0.0, None)])
        delay, result = steps.pop(0) if len(steps) > 1 else steps[0]
        try:
            await asyncio.sleep(delay)
        except asyncio.CancelledError:
            self.cancelled[name] += 1
            raise
        if isinstance(result, Exception):
            raise result
        return result


class CountingBilling:
    """Holds that must end exactly once: as nothing, as lost, or with the caller (`taken`)."""

    def __init__(self) -> None:
        self._ids = itertools.count()
        self.ends: dict[str, list[str]] = {}
        self.owner: dict[str, str] = {}
        self.tokens: list[tuple[str, Tokens]] = []
        self.refuses: dict[str, str] = {}
        self.seconds = 0.0
        self.most: int | None = None

    async def begin(self, admitted: Admission, asked: Target) -> Hold | None:
        await asyncio.sleep(self.seconds)
        reason = self.refuses.get(asked.provider)
        if reason is not None:
            kind = ErrorKind.UNAVAILABLE if reason == "BUDGETS_UNAVAILABLE" else ErrorKind.RESOURCE_EXHAUSTED
            raise AmasError(kind, reason, "test", metadata={"budget": asked.provider})
        hold = Hold(str(next(self._ids)), admitted.context, (), Amount(0, 0), ())  # type: ignore[arg-type]
        self.ends[hold.id] = []
        self.owner[hold.id] = asked.provider
        return hold

    def most_output_tokens(self, admitted: Admission, asked: Target) -> int | None:
        return self.most

    def nothing(self, hold: Hold | None) -> None:
        self._end(hold, "nothing")

    def lost(self, admitted: Admission, asked: Target, hold: Hold | None, tokens: Tokens) -> None:
        self._end(hold, "lost")
        self.tokens.append((asked.provider, tokens))

    def taken(self, hold: Hold | None) -> None:
        """What the caller does with the hold that it gets."""
        self._end(hold, "taken")

    def summary(self) -> list[tuple[str, str]]:
        """Provider and end of each hold, in the order in which they began; fails if one has not ended exactly once."""
        assert all(len(ends) == 1 for ends in self.ends.values()), self.ends
        return [(self.owner[hold], ends[0]) for hold, ends in self.ends.items()]

    def _end(self, hold: Hold | None, how: str) -> None:
        assert hold is not None
        self.ends[hold.id].append(how)


class Engine:
    """Everything wired; `left` is what the caller's deadline leaves."""

    def __init__(self, *, left: float | None = None) -> None:
        self.loop = VirtualLoop()
        self.providers = SlowProviders(self.loop)
        self.bill = CountingBilling()
        self.registry = CollectorRegistry()
        telemetry = RouterTelemetry(self.registry)
        self.in_turn = AskInTurn(self.bill, telemetry, self.loop, Random(1), lambda: left)  # noqa: S311 - repeatable
        self._whole = AskTargets(self.providers, self.in_turn)
        self._stream = OpenStream(self.providers, self.in_turn, telemetry, self.loop, max_response_bytes=10_000)
        self.failovers: list[str] = []

    async def ask(self, admitted: Admission) -> Asked:
        """A whole answer; its hold is taken."""
        self.failovers = []
        asked = await self._whole.run(admitted, self.failovers)
        self.bill.taken(asked.hold)
        return asked

    async def open(self, admitted: Admission) -> OpenedStream:
        """A stream past its first token; its hold is taken."""
        self.failovers = []
        opened = await self._stream.run(admitted, FIELDS, self.failovers)
        self.bill.taken(opened.hold)
        return opened

    async def many(self, admitted: Admission, count: int) -> list[str]:
        """So many calls in a row: who answered, or the reason why nobody did."""
        found = []
        for _ in range(count):
            try:
                found.append((await self.ask(admitted)).target.provider)
            except AmasError as error:
                found.append(error.reason)
        return found

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value; 0 if it was never touched."""
        return self.registry.get_sample_value(name, labels) or 0.0


def failure(reason: FailureReason = FailureReason.CONNECT_FAILED, **more: Any) -> AttemptError:
    """An attempt's error."""
    return AttemptError(reason, "test", **more)
