"""The audit log: events, the signed checkpoint, and the export of a run for verification offline."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import AuditQuery
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.rest.parameters import PageSize, PageToken, RunId, Text, caller_of, page_of
from amas_gateway.entrypoints.rest.rendering import JSON, respond_page
from amas_gateway.entrypoints.rest.schemas import page, returns
from amas_gateway.entrypoints.rest.strict_json import StrictRoute
from amas_gateway.usecases.catalogue import Catalogue


def router(verbs: Catalogue, access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["audit"], route_class=StrictRoute)

    @routes.get("/v1/audit/events", responses=page("amas.audit.v1.LogEntry", "entries"))
    async def query_events(
        request: Request,
        run_id: Annotated[Text, Query(alias="runId")] = "",
        trace_id: Annotated[Text, Query(alias="traceId")] = "",
        principal: Text = "",
        event_type: Annotated[Text, Query(alias="type")] = "",
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Answers the tenant's audit events in the order of the log. Reading is itself recorded."""
        reader = await access.admit(caller_of(request), Action.AUDIT_READ)
        query = AuditQuery(run_id, trace_id, principal, event_type, page_of(page_size, page_token))
        answer = await verbs.read_audit.query(reader, query)
        return respond_page("entries", answer.items, answer.next_page_token)

    @routes.get("/v1/audit/checkpoint", responses=returns("amas.audit.v1.GetCheckpointResponse"))
    async def get_checkpoint(request: Request) -> Response:
        """Answers the newest signed tree head and the key that verifies it."""
        await access.admit(caller_of(request), Action.AUDIT_READ)
        head = await verbs.read_audit.checkpoint()
        body = orjson.dumps({"checkpoint": head.checkpoint, "verifierKey": head.verifier_key})
        return Response(body, media_type=JSON)

    @routes.get("/v1/audit/runs/{run_id}/export", responses=returns("", media="application/octet-stream"))
    async def export_run(request: Request, run_id: RunId) -> Response:
        """Streams the run's export, from which anyone with the public key can verify it offline."""
        reader = await access.admit(caller_of(request), Action.AUDIT_READ)
        chunks = verbs.read_audit.export(reader, run_id)
        # The first chunk is awaited here, so that a refusal is a plain error and not a cut file.
        first = await anext(chunks, b"")
        headers = {"Content-Disposition": f'attachment; filename="{run_id.replace(":", "_")}.audit"'}
        return StreamingResponse(_with_first(first, chunks), 200, headers, "application/octet-stream")

    return routes


async def _with_first(first: bytes, chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(chunks):
        yield first
        async for chunk in chunks:
            yield chunk
