"""Runs: start, answer, list, cancel, and follow as server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from amas.common.v1.run_pb2 import RunState
from amas_chassis.clock import Clock
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import invalid
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.rest.event_stream import ServerSentEvents
from amas_gateway.entrypoints.rest.parameters import (
    Body,
    IdempotencyKey,
    PageSize,
    PageToken,
    Reason,
    RunId,
    Text,
    caller_of,
    enum_value,
    page_of,
)
from amas_gateway.entrypoints.rest.pushed_stream import PushedStream
from amas_gateway.entrypoints.rest.rendering import respond, respond_page
from amas_gateway.entrypoints.rest.schemas import page, returns
from amas_gateway.entrypoints.rest.strict_json import StrictRoute
from amas_gateway.usecases.catalogue import Catalogue
from amas_gateway.usecases.watch_run import is_over

_RUN = "amas.common.v1.Run"


class StartRun(Body):
    """What to run, on what. The input is given either as JSON or as JSON text."""

    orchestration: str = Field(min_length=1, max_length=127)
    input: Any = None
    input_json: str | None = Field(default=None, min_length=2)

    def text(self) -> str:
        """The input as JSON text."""
        if (self.input is None) == (self.input_json is None):
            raise invalid("input", "give exactly one of input and inputJson")
        return self.input_json or json.dumps(self.input, ensure_ascii=False, separators=(",", ":"))


def router(verbs: Catalogue, access: Access) -> APIRouter:
    """The routes, without the event stream."""
    routes = APIRouter(tags=["runs"], route_class=StrictRoute)

    @routes.post("/v1/runs", responses=returns(_RUN, 200, 201))
    async def start_run(request: Request, body: StartRun, idempotency_key: IdempotencyKey = "") -> Response:
        """Starts a run: 201, or 200 when the same `Idempotency-Key` had started it before."""
        principal = await access.admit(caller_of(request), Action.RUN_START)
        started = await verbs.start_run(principal, body.orchestration, body.text(), idempotency_key)
        location = {"Location": f"/v1/runs/{started.run.id}"}
        return respond(started.run, 200 if started.existed else 201, location)

    @routes.get("/v1/runs", responses=page(_RUN, "runs"))
    async def list_runs(
        request: Request,
        orchestration: Text = "",
        state: Text = "",
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Lists the tenant's runs, newest first."""
        principal = await access.admit(caller_of(request), Action.RUN_READ)
        number = enum_value("state", state, "RUN_STATE_", dict(RunState.items()))
        answer = await verbs.list_runs(principal, orchestration, number, page_of(page_size, page_token))
        return respond_page("runs", answer.items, answer.next_page_token)

    @routes.get("/v1/runs/{run_id}", responses=returns(_RUN))
    async def get_run(request: Request, run_id: RunId) -> Response:
        """Answers one run with its steps."""
        principal = await access.admit(caller_of(request), Action.RUN_READ)
        return respond(await verbs.get_run(principal, run_id))

    @routes.post("/v1/runs/{run_id}:cancel", responses=returns(_RUN))
    async def cancel_run(request: Request, run_id: RunId, body: Reason | None = None) -> Response:
        """Cancels a run, also while it waits for a human."""
        principal = await access.admit(caller_of(request), Action.RUN_CANCEL)
        return respond(await verbs.cancel_run(principal, run_id, body.reason if body else ""))

    return routes


def events_router(
    verbs: Catalogue, access: Access, clock: Clock, draining: asyncio.Event, heartbeat: float
) -> APIRouter:
    """The event stream; `heartbeat` in seconds."""
    routes = APIRouter(tags=["runs"], route_class=StrictRoute)

    @routes.get("/v1/runs/{run_id}/events", responses=returns("amas.common.v1.RunEvent", media="text/event-stream"))
    async def watch_run(
        request: Request,
        run_id: RunId,
        after: Annotated[int, Query(ge=0, le=2**63 - 1, description="Sequence to go on after.")] = 0,
        last_event_id: Annotated[str, Header(max_length=32)] = "",
    ) -> Response:
        """Follows a run as server-sent events; `Last-Event-ID` resumes. 204: it is over and nothing is left to tell."""
        caller = caller_of(request)
        principal = await access.admit(caller, Action.RUN_WATCH)
        if last_event_id:
            if not last_event_id.isascii() or not last_event_id.isdigit() or int(last_event_id) > 2**63 - 1:
                raise invalid("Last-Event-ID", "must be the id of an event of this stream")
            after = int(last_event_id)
        run = await verbs.watch_run.open(principal, run_id)
        hold = verbs.hold_stream(principal)
        events = verbs.watch_run(principal, run_id, after)
        stream = PushedStream(events, ServerSentEvents(), hold, clock, draining, heartbeat, principal.expires_at)
        if is_over(run) and not await stream.peek():
            await stream.aclose()
            return Response(status_code=204)
        return stream

    return routes
