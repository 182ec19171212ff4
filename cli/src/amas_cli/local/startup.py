"""Runs the steps of a start, each as soon as what it needs is done; the first failure ends them all."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from .processes import PartFailedError

FINISHED = Callable[[str, float], None]
"""Told the name of a step and how many seconds it took."""


@dataclass(frozen=True)
class Step:
    """`act` runs when all of `needs` are done."""

    name: str
    needs: tuple[str, ...]
    act: Callable[[], Awaitable[object]]


async def run_steps(steps: Sequence[Step], finished: FINISHED) -> None:
    """Run all; raises PartFailedError of the first step that failed, after the others were cancelled."""
    done = {step.name: asyncio.Event() for step in steps}

    async def run(step: Step) -> None:
        for need in step.needs:
            await done[need].wait()
        begun = time.monotonic()
        try:
            await step.act()
        except PartFailedError:
            raise
        except Exception as error:
            raise PartFailedError(step.name, str(error) or type(error).__name__) from error
        done[step.name].set()
        finished(step.name, time.monotonic() - begun)

    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(run(step), name=step.name)
    except BaseExceptionGroup as failures:
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
