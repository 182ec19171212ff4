"""Makes model calls (OpenAI SDK), runs (gRPC) and reads (REST) at a steady rate; records how each of them ended.

Nothing is tried again, so that a request that a rollout cuts off is seen. Only the stream of a run's events is taken up
again, as its contract says. Each request has a connection of its own: an old one would keep to the pod that it knows.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import grpc
import httpx2
import openai
from amas.common.v1 import run_pb2
from amas.gateway.v1 import gateway_pb2, gateway_pb2_grpc

from .bounds import MAX_IN_FLIGHT, MAX_REQUESTS, MAX_SECONDS, Rates, Target
from .outcomes import CHAT, READ, RUN, STREAM, Outcome, Report

REQUEST_TIMEOUT_S = 30.0
RUN_TIMEOUT_S = 180.0
RESUME_PAUSE_S = 0.5
ENDED = {
    run_pb2.RUN_STATE_SUCCEEDED,
    run_pb2.RUN_STATE_FAILED,
    run_pb2.RUN_STATE_REJECTED,
    run_pb2.RUN_STATE_CANCELLED,
}
Made = Callable[[int], dict[str, Any]]


class LoadDriver:
    """One load; `input_of` makes the input of the n-th run."""

    def __init__(
        self, target: Target, token: Callable[[], str], rates: Rates, *, orchestration: str, input_of: Made
    ) -> None:
        self._target = target
        self._token = token
        self._rates = rates
        self._orchestration = orchestration
        self._input_of = input_of
        self.so_far = Report()
        """What has ended until now; read it from other threads, never write."""
        self._begun = 0.0
        self._count = 0

    async def run(self, stop: asyncio.Event) -> Report:
        """Makes requests until told to stop or a bound is reached, then waits until each of them has ended."""
        self._begun, self.so_far.begun_at = time.monotonic(), time.time()
        async with asyncio.TaskGroup() as requests, asyncio.TaskGroup() as kinds:
            kinds.create_task(self._steady(self._rates.runs, self._run, requests, stop))
            kinds.create_task(self._steady(self._rates.chats, self._chat, requests, stop))
            kinds.create_task(self._steady(self._rates.streams, self._stream, requests, stop))
            kinds.create_task(self._steady(self._rates.reads, self._read, requests, stop))
        self.so_far.seconds = time.monotonic() - self._begun
        return self.so_far

    async def _steady(
        self,
        rate: float,
        make: Callable[[int], Coroutine[Any, Any, None]],
        requests: asyncio.TaskGroup,
        stop: asyncio.Event,
    ) -> None:
        flying: set[asyncio.Task[None]] = set()
        number = 0
        while rate > 0 and not stop.is_set():
            number += 1
            due = self._begun + number / rate
            try:
                await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))
                return
            except TimeoutError:
                pass  # it is this request's turn
            if self._count >= MAX_REQUESTS or time.monotonic() - self._begun > MAX_SECONDS:
                return
            if len(flying) >= MAX_IN_FLIGHT:
                self.so_far.skipped += 1
                continue
            self._count += 1
            task = requests.create_task(make(number))
            flying.add(task)
            task.add_done_callback(flying.discard)

    def _record(self, kind: str, began: float, **told: Any) -> None:
        seconds = told.pop("seconds", None)
        begun = round(began - self._begun, 3)
        took = round(time.monotonic() - began if seconds is None else seconds, 4)
        self.so_far.outcomes.append(Outcome(kind, begun, took, **told))

    async def _chat(self, number: int) -> None:
        await self._ask(CHAT, number, stream=False)

    async def _stream(self, number: int) -> None:
        await self._ask(STREAM, number, stream=True)

    async def _ask(self, kind: str, number: int, *, stream: bool) -> None:
        began, error = time.monotonic(), ""
        said = f"{kind} {number} of {uuid.uuid4()}"
        messages: Any = [{"role": "user", "content": said}]
        try:
            async with openai.AsyncOpenAI(
                base_url=f"http://{self._target.http}/v1",
                api_key=await asyncio.to_thread(self._token),
                max_retries=0,
                timeout=REQUEST_TIMEOUT_S,
                http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
            ) as client:
                if stream:
                    pieces = [
                        choice.delta.content or ""
                        async for chunk in await client.chat.completions.create(
                            model="default", messages=messages, stream=True
                        )
                        for choice in chunk.choices
                    ]
                    answer = "".join(pieces)
                else:
                    whole = await client.chat.completions.create(model="default", messages=messages)
                    answer = whole.choices[0].message.content or ""
            if said not in answer:
                error = f"another answer: {answer[:100]!r}"
        except (openai.OpenAIError, httpx2.HTTPError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self._record(kind, began, error=error)

    async def _read(self, number: int) -> None:
        began, error = time.monotonic(), ""
        url = f"http://{self._target.http}/v1/runs?pageSize={1 + number % 10}"
        bearer = {"Authorization": f"Bearer {await asyncio.to_thread(self._token)}"}
        try:
            async with httpx2.AsyncClient(trust_env=False, timeout=REQUEST_TIMEOUT_S) as client:
                answer = await client.get(url, headers=bearer)
            if answer.status_code != 200 or "runs" not in answer.json():
                error = f"{answer.status_code}: {answer.text[:200]}"
        except (httpx2.HTTPError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self._record(READ, began, error=error)

    async def _run(self, number: int) -> None:
        began = time.monotonic()
        bearer = ("authorization", f"Bearer {await asyncio.to_thread(self._token)}")
        request = gateway_pb2.StartRunRequest(
            orchestration=self._orchestration, input_json=json.dumps(self._input_of(number))
        )
        try:
            async with grpc.aio.insecure_channel(self._target.grpc, options=OWN_CONNECTION) as channel:
                started = await gateway_pb2_grpc.RunsServiceStub(channel).StartRun(
                    request, timeout=REQUEST_TIMEOUT_S, metadata=(bearer, ("idempotency-key", str(uuid.uuid4())))
                )
        except grpc.aio.AioRpcError as failure:
            self._record(RUN, began, error=f"{failure.code().name}: {failure.details()}")
            return
        accepted = time.monotonic()
        watch = Watch(self._target.grpc, self._token, started.run.id)
        error = await watch.to_end()
        self._record(
            RUN,
            began,
            seconds=accepted - began,
            error=error,
            run=started.run.id,
            state=watch.state,
            run_seconds=round(time.monotonic() - accepted, 3),
            resumes=watch.resumes,
        )


OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


class Watch:
    """A run's events to its end, over as many streams as that takes."""

    def __init__(self, address: str, token: Callable[[], str], run: str) -> None:
        self._address = address
        self._token = token
        self._run = run
        self._last = 0
        self.state = ""
        self.resumes = 0

    async def to_end(self) -> str:
        """Answers what went wrong, or nothing."""
        try:
            async with asyncio.timeout(RUN_TIMEOUT_S):
                while not self.state:
                    error = await self._follow()
                    if error or self.state:
                        return error
                    self.resumes += 1
                    await asyncio.sleep(RESUME_PAUSE_S)  # the bound of how often it asks again
        except TimeoutError:
            return f"not ended after {RUN_TIMEOUT_S:.0f} s"
        return ""

    async def _follow(self) -> str:
        request = gateway_pb2.WatchRunRequest(run_id=self._run, after_sequence=self._last)
        bearer = ("authorization", f"Bearer {await asyncio.to_thread(self._token)}")
        try:
            async with grpc.aio.insecure_channel(self._address, options=OWN_CONNECTION) as channel:
                async for event in gateway_pb2_grpc.RunsServiceStub(channel).WatchRun(request, metadata=(bearer,)):
                    if event.sequence != self._last + 1:
                        return f"event {event.sequence} followed event {self._last}"
                    self._last = event.sequence
                    if event.WhichOneof("payload") == "run_state_changed" and event.run_state_changed.state in ENDED:
                        self.state = run_pb2.RunState.Name(event.run_state_changed.state)
        except grpc.aio.AioRpcError as failure:
            if failure.code() not in RESUMABLE:
                return f"watch: {failure.code().name}: {failure.details()}"
        return ""


# Also where a principal has as many streams open as it may: the next look finds room.
RESUMABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class BackgroundLoad:
    """A load in a thread of its own, while the test does something to the platform."""

    def __init__(self, driver: LoadDriver) -> None:
        self._driver = driver
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._report: Report | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="load", daemon=True)

    def __enter__(self) -> Self:
        """Begins."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ends it however the test ended."""
        self._end()

    @property
    def so_far(self) -> Report:
        """What has ended until now."""
        return self._driver.so_far

    def finish(self) -> Report:
        """Stops making requests, waits for those in flight, answers what became of all.

        Raises:
            RuntimeError: the driver itself broke.
        """
        self._end()
        if self._report is None:
            raise RuntimeError("the load driver broke") from self._failure
        return self._report

    def _work(self) -> None:
        try:
            self._report = self._loop.run_until_complete(self._driver.run(self._stop))
        except BaseException as error:
            self._failure = error
        finally:
            self._loop.close()

    def _end(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(RUN_TIMEOUT_S + REQUEST_TIMEOUT_S)
