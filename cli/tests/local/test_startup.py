import asyncio

import pytest
from amas_cli.local.processes import PartFailedError
from amas_cli.local.startup import Step, run_steps


async def nothing() -> None:
    return None


async def test_a_step_waits_for_what_it_needs() -> None:
    """A service never starts before its migration."""
    order: list[str] = []

    def act(name: str):  # type: ignore[no-untyped-def]
        async def run() -> None:
            await asyncio.sleep(0)
            order.append(name)

        return run

    steps = [Step("c", ("a", "b"), act("c")), Step("b", ("a",), act("b")), Step("a", (), act("a"))]
    finished: list[str] = []
    await run_steps(steps, lambda name, _seconds: finished.append(name))
    assert order == finished == ["a", "b", "c"]


async def test_independent_steps_run_together() -> None:
    """The start takes as long as its longest chain, not as the sum."""
    meeting = asyncio.Barrier(2)

    async def meet() -> None:
        async with asyncio.timeout(60):
            await meeting.wait()

    await run_steps([Step("a", (), meet), Step("b", (), meet)], lambda *_: None)


async def test_the_first_failure_ends_the_others_and_is_named() -> None:
    """What failed is told, not what was cancelled because of it."""
    cancelled = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def fail() -> None:
        await asyncio.sleep(0)
        raise PartFailedError("audit", "ended while starting")

    with pytest.raises(PartFailedError) as failure:
        await run_steps([Step("wait", (), wait), Step("audit", (), fail)], lambda *_: None)
    assert failure.value.part == "audit"
    assert cancelled.is_set()


async def test_any_exception_names_its_step() -> None:
    """A full disk inside a step is the step's failure."""

    async def full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(PartFailedError, match="No space left") as failure:
        await run_steps([Step("postgres", (), full), Step("audit", ("postgres",), nothing)], lambda *_: None)
    assert failure.value.part == "postgres"
