"""Binds the durable engine, DBOS, to our ports. The only module that knows it, but for the
question that whoever scales executors asks of its table (workload.py; docs/adr/0003-durable-engine.md).

DBOS is one instance a process. Checkpoints are JSON texts, never pickles: what stands in the database must not be able
to run code here. A body never raises into DBOS, which would keep the error as the step's result.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import orjson
from amas_chassis import telemetry
from dbos import (
    DBOS,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    SetEnqueueOptions,
    SetWorkflowID,
)
from dbos import error as dbos_error
from dbos._sys_db import SystemDatabase
from opentelemetry import context as otel_context

from amas_orchestrator.domain.errors import OwnershipLost
from amas_orchestrator.domain.model import Json, Run
from amas_orchestrator.ports import Body

from .step_gate import StepGate

_log = logging.getLogger(__name__)

APPLICATION = "amas-orchestrator"
APPLICATION_VERSION = "2"
"""Changes only with the shape of the workflows or of their checkpoints, so that old and new executors share runs."""
RUN_QUEUE = "runs"
STEP_MARK = "/"
"""Between a run's id and a step's path in the id of that step's workflow."""
POOL_SIZE = 12
THREADS = 32
CHILD_POLL_SECONDS = 0.25
"""How often a step's result is looked for when another executor has it."""
SHUTDOWN_SECONDS = 3.0
"""How long the engine may take to stop: less than a step of the service's end has (amas_chassis.lifecycle)."""
RECHECK_SECONDS = 5.0
"""How often a waiting workflow looks for its message by itself. DBOS drops the notifications that it was about to send
when Postgres goes away, and would look after a minute only; it has no setting for that."""
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]
_LOST = (dbos_error.DBOSWorkflowConflictIDError, dbos_error.DBOSWorkflowCancelledError)

RunBody = Callable[[str, "DbosWorkflow"], Awaitable[Json]]
StepBody = Callable[[Json, "DbosWorkflow"], Awaitable[Json]]


@dataclass(frozen=True)
class EngineLimits:
    """How much of the queue this process takes, how much of it one tenant may have anywhere, how often it looks."""

    runs: int
    runs_of_tenant: int
    poll_seconds: float


class DbosWorkflow:
    """Durable: one workflow, from inside."""

    def __init__(self, engine: DbosEngine, workflow_id: str, traceparent: str) -> None:
        self._engine = engine
        self._workflow_id = workflow_id
        self._traceparent = traceparent

    @property
    def workflow_id(self) -> str:
        """See Durable."""
        return self._workflow_id

    async def step(self, name: str, body: Body) -> Json:
        """See Durable."""
        gate = self._engine.gate
        await gate.enter()

        async def kept() -> str:
            with gate.body():
                return orjson.dumps(await body()).decode()

        async with self._answered():
            text = await DBOS.run_step_async({"name": name}, kept)
        result: Json = orjson.loads(text)
        return result

    async def receive(self, topic: str, timeout_seconds: float) -> Json | None:
        """See Durable."""
        await self._engine.gate.enter()
        async with self._answered():
            text = await DBOS.recv_async(topic, timeout_seconds)
        await self._engine.gate.enter()
        return orjson.loads(text) if text else None

    async def spawn(self, path: str, arguments: Json) -> Json:
        """See Durable."""
        await self._engine.gate.enter()
        run_id = self._workflow_id.partition(STEP_MARK)[0]
        # In a context of its own: started as our child it would take one of our step numbers, in the order of who was
        # faster, and a replay would not find the same order.
        work = contextvars.Context().run(
            asyncio.ensure_future, self._engine.run_beside(f"{run_id}{STEP_MARK}{path}", arguments, self._traceparent)
        )
        async with self._answered():
            result: Json = orjson.loads(await work)
        return result

    @contextlib.asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        """The engine's errors are the workflow's, but for two: another has it, or the process ends.

        At the end the engine is taken down under its steps. What it says then is no outcome of a run: nothing goes on
        here, and whoever takes the run over does the step again.
        """
        try:
            yield
        except _LOST as error:
            raise OwnershipLost(str(error)) from error
        except Exception:
            await self._engine.gate.enter()
            raise


class DbosEngine:
    """Engine: workflows from outside, and the life of DBOS in this process."""

    def __init__(self, dsn: str, schema: str, executor_id: str, gate: StepGate, limits: EngineLimits) -> None:
        self.gate = gate
        self._limits = limits
        self._config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": dsn,
            "dbos_system_schema": schema,
            "application_version": APPLICATION_VERSION,
            "executor_id": executor_id,
            # The service's role may not change a schema; `migrate` does, as the owner. Launch verifies.
            "run_migrations": False,
            "serializer": DBOSPortableJSONSerializer(),
            "sys_db_pool_size": POOL_SIZE,
            # A ping before each use would cost a third of all round trips; a broken connection is retried anyway.
            "db_engine_kwargs": {"pool_pre_ping": False, "pool_size": POOL_SIZE, "max_overflow": 0},
            "max_executor_threads": THREADS,
            "log_level": "WARNING",
        }

    async def launch(self, run: RunBody, step: StepBody) -> None:
        """Registers the workflows and begins to take runs from the queue. Call it on the loop that serves."""
        _log_like_us()
        SystemDatabase._notification_fallback_polling_interval = RECHECK_SECONDS
        DBOS(config=self._config)

        @DBOS.workflow(name="run")
        async def run_workflow(run_id: str, traceparent: str) -> str:
            return await self._traced(traceparent, lambda me: run(run_id, me), run_id)

        @DBOS.workflow(name="step")
        async def step_workflow(workflow_id: str, arguments: str, traceparent: str) -> str:
            return await self._traced(traceparent, lambda me: step(orjson.loads(arguments), me), workflow_id)

        self._run_workflow = run_workflow
        self._step_workflow = step_workflow
        # On this loop, so that workflows run on it and share our clients; it blocks for some tens of milliseconds.
        DBOS.launch()
        _log_like_us()
        self._queue = await DBOS.register_queue_async(
            RUN_QUEUE,
            worker_concurrency=self._limits.runs,
            partition_concurrency=self._limits.runs_of_tenant,
            polling_interval_sec=self._limits.poll_seconds,
            on_conflict="always_update",
        )

    async def enqueue(self, run: Run) -> None:
        """See Engine."""
        with SetWorkflowID(run.id), SetEnqueueOptions(queue_partition_key=run.tenant):
            await self._queue.enqueue_async(self._run_workflow, run.id, run.traceparent)

    async def send(self, workflow_id: str, topic: str, message: Json, key: str) -> None:
        """See Engine."""
        try:
            await DBOS.send_async(workflow_id, orjson.dumps(message).decode(), topic, idempotency_key=key)
        except dbos_error.DBOSNonExistentWorkflowError:
            _log.warning("nobody waits for a message", extra={"workflow": workflow_id, "topic": topic})

    async def stranded(self, executor_id: str) -> dict[str, list[str]]:
        """See Engine."""
        left = await DBOS.list_workflows_async(
            executor_id=executor_id, status="PENDING", load_input=False, load_output=False
        )
        found: dict[str, list[str]] = {}
        for run_id in sorted({workflow.workflow_id.partition(STEP_MARK)[0] for workflow in left}):
            workflows = await DBOS.list_workflows_async(
                workflow_id_prefix=run_id, status=_UNFINISHED, load_input=False, load_output=False
            )
            found[run_id] = [workflow.workflow_id for workflow in workflows]
        return found

    async def executors_at_work(self) -> set[str]:
        """Ids of all executors that have unfinished workflows, living or not."""
        workflows = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        return {workflow.executor_id for workflow in workflows if workflow.executor_id}

    async def resume(self, workflow_ids: Sequence[str]) -> None:
        """See Engine."""
        for workflow_id in workflow_ids:
            if STEP_MARK in workflow_id:
                await DBOS.resume_workflow_async(workflow_id)
            else:
                await DBOS.resume_workflow_async(workflow_id, queue_name=RUN_QUEUE)

    async def run_beside(self, workflow_id: str, arguments: Json, traceparent: str) -> str:
        """Starts a step's workflow unless it was started before, and waits for its result."""
        with SetWorkflowID(workflow_id):
            handle = await DBOS.start_workflow_async(
                self._step_workflow, workflow_id, orjson.dumps(arguments).decode(), traceparent
            )
        return await handle.get_result(polling_interval_sec=CHILD_POLL_SECONDS)

    async def stop(self) -> None:
        """Stops DBOS; what runs stays unfinished in the database, for whoever takes it over."""

        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()

        def destroy() -> None:
            DBOS.destroy(destroy_registry=True)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stopped.set)

        # In a thread that the exit does not wait for: it joins threads that may sit in a retry against a dead database.
        thread = threading.Thread(target=destroy, name="dbos-stop", daemon=True)
        thread.start()
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await stopped.wait()
        except TimeoutError:
            _log.warning("the durable engine did not stop in time")

    async def _traced(self, traceparent: str, work: Callable[[DbosWorkflow], Awaitable[Json]], workflow_id: str) -> str:
        """Does a workflow's work inside the trace of the request that started the run."""
        await self.gate.enter()
        token = otel_context.attach(telemetry.context_from_traceparent(traceparent))
        try:
            return orjson.dumps(await work(DbosWorkflow(self, workflow_id, traceparent))).decode()
        finally:
            otel_context.detach(token)


def _log_like_us() -> None:
    """DBOS prints in a form of its own; its lines go the way of all others instead."""
    logger = logging.getLogger("dbos")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = True
    logger.setLevel(logging.WARNING)
