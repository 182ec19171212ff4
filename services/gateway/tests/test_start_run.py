"""Starting a run: what is asked again on its way is one run, and two requests are two."""

from __future__ import annotations

from amas_gateway.domain.model import Principal, Started
from amas_gateway.usecases.start_run import StartRun

from .fakes import FakeRuns, principal


class AskedTwice(FakeRuns):
    """The way to the orchestrator loses each first answer, and asks again."""

    async def start(self, who: Principal, orchestration: str, input_json: str, key: str) -> Started:
        await super().start(who, orchestration, input_json, key)
        return await super().start(who, orchestration, input_json, key)


async def test_a_request_without_a_key_is_one_run_however_often_it_is_asked() -> None:
    """And a new one to its caller, who knows of no other."""
    runs = AskedTwice()
    first = await StartRun(runs)(principal(), "load", "{}")
    second = await StartRun(runs)(principal(), "load", "{}")
    assert not first.existed
    assert not second.existed
    assert list(runs.runs) == [first.run.id, second.run.id]


async def test_a_callers_key_goes_as_it_is() -> None:
    """It is the caller who says which requests are the same."""
    runs = FakeRuns()
    first = await StartRun(runs)(principal(), "load", "{}", "mine")
    again = await StartRun(runs)(principal(), "load", "{}", "mine")
    assert (list(runs.keys), again.run.id, again.existed) == (["mine"], first.run.id, True)
