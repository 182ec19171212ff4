"""The load generator: a process that reads a plan from standard input and prints an outcome.

    python -m tests.load.router.load < plan.json

In an open loop requests are sent when they are due, whether or not earlier ones were answered, and each time counts
from that moment: a system that stalls is charged for all who would have waited (no coordinated omission). In a closed
loop so many connections ask one thing after the other: what a system can do at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from itertools import cycle

import uvloop

from . import payloads
from .connection import Answered, Connection, FailedRequestError
from .plan import Outcome, Plan

HOST = "127.0.0.1"
# Seconds that an answer may take; what is open after that has failed.
ANSWER_TIMEOUT_S = 30.0
MAX_EXAMPLES = 5
MILLISECONDS = 1000.0


class Recorder:
    """Collects times and failures."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self._firsts: list[float] = []
        self._totals: list[float] = []
        self._failures = 0
        self._examples: list[str] = []
        self._ended = self.begun

    def answered(self, due: float, answer: Answered) -> None:
        """An answer to what was due then."""
        self._firsts.append(round((answer.first - due) * MILLISECONDS, 4))
        self._totals.append(round((answer.last - due) * MILLISECONDS, 4))
        self._ended = answer.last

    def failed(self, why: str) -> None:
        """No answer."""
        self._failures += 1
        if len(self._examples) < MAX_EXAMPLES and why not in self._examples:
            self._examples.append(why)

    def outcome(self) -> Outcome:
        """All of it."""
        return Outcome(self._ended - self.begun, self._firsts, self._totals, self._failures, self._examples)


class Client:
    """Kept connections to one endpoint, at most so many."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self._plan = plan
        self._recorder = recorder
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(plan.connections)
        self.requests: Iterator[bytes] = cycle(wire_requests(plan))

    async def one(self, due: float) -> None:
        """Asks once and records what came of it."""
        request = next(self.requests)
        async with self._room:
            connection: Connection | None = None
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    connection = await self._connection()
                    answer = await connection.ask(request)
            except (OSError, FailedRequestError, TimeoutError) as error:
                self._recorder.failed(str(error) or type(error).__name__)
                if connection is not None:
                    connection.close()
                return
            self._recorder.answered(due, answer)
            if connection.usable:
                self._idle.append(connection)

    def close(self) -> None:
        """Closes what is kept."""
        for connection in self._idle:
            connection.close()

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return await connect(self._plan.endpoint.port)


async def connect(port: int) -> Connection:
    """A new connection. Raises OSError."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, HOST, port)
    return connection


def wire_requests(plan: Plan) -> list[bytes]:
    """Whole HTTP requests, ready to be written."""
    endpoint = plan.endpoint
    lines = [f"POST {endpoint.path} HTTP/1.1", f"host: {HOST}:{endpoint.port}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in endpoint.headers.items()]
    head = "\r\n".join(lines).encode()
    bodies = payloads.requests(endpoint.model, plan.size, stream=plan.stream)
    return [head + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body for body in bodies]


async def open_loop(plan: Plan) -> Outcome:
    """Requests at a constant rate."""
    recorder = Recorder()
    client = Client(plan, recorder)
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(plan.rate * plan.seconds)):
            due = recorder.begun + number / plan.rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.create_task(client.one(due))
    client.close()
    return recorder.outcome()


async def closed_loop(plan: Plan) -> Outcome:
    """As many requests as so many connections get answered; at least one of each."""
    recorder = Recorder()
    client = Client(plan, recorder)
    end = recorder.begun + plan.seconds

    async def ask() -> None:
        now = time.perf_counter()
        while True:
            await client.one(now)
            if (now := time.perf_counter()) >= end:
                return

    await asyncio.gather(*(ask() for _ in range(plan.connections)))
    client.close()
    return recorder.outcome()


async def idle_streams(plan: Plan) -> Outcome:
    """Opens streams one after the other, says `open` on standard output, and holds them until its input ends."""
    recorder = Recorder()
    requests = cycle(wire_requests(plan))
    held: list[Connection] = []
    for number in range(plan.connections):
        due = recorder.begun + number / plan.rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                connection = await connect(plan.endpoint.port)
                await connection.begin(next(requests))
        except (OSError, FailedRequestError, TimeoutError) as error:
            recorder.failed(str(error) or type(error).__name__)
            continue
        now = time.perf_counter()
        recorder.answered(due, Answered(now, now))
        held.append(connection)
    print("open", flush=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.to_thread(sys.stdin.read), plan.seconds)
    for connection in held:
        connection.close()
    return recorder.outcome()


def main() -> None:
    """Runs the plan."""
    plan = Plan.from_json(sys.stdin.readline())
    run = {"open": open_loop, "closed": closed_loop, "idle": idle_streams}[plan.mode]
    outcome = uvloop.run(run(plan)).to_json()
    # Where Python is told not to buffer, a print that a signal interrupts loses what the pipe did not take.
    with open(sys.stdout.fileno(), "wb", closefd=False) as out:
        out.write(outcome.encode() + b"\n")


if __name__ == "__main__":
    main()
