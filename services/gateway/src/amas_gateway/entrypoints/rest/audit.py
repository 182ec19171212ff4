"""The audit log: events, the signed checkpoint, and the export of a run for verification offline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Literal

import orjson
from amas.audit.v1 import audit_pb2
from amas.common.v1 import label_pb2
from amas_chassis.clock import Clock
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import AuditQuery
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.rest.entry_stream import NDJSON, EntryLines
from amas_gateway.entrypoints.rest.parameters import (
    Body,
    BundleDigest,
    PageSize,
    PageToken,
    RunId,
    Text,
    Time,
    caller_of,
    enum_value,
    page_of,
)
from amas_gateway.entrypoints.rest.pushed_stream import PushedStream
from amas_gateway.entrypoints.rest.rendering import JSON, as_json, respond_page
from amas_gateway.entrypoints.rest.schemas import page, returns
from amas_gateway.entrypoints.rest.strict_json import StrictRoute
from amas_gateway.usecases.catalogue import Catalogue


class EraseContentsBody(Body):
    """Whose contents are to be erased."""

    subject: str = Field(min_length=1, max_length=255)
    dry_run: bool = Field(default=False, alias="dryRun")


class FindSubjectBody(Body):
    """Whose data, and which page. In a body, so that no name stands in an address that others log."""

    subject: str = Field(min_length=1, max_length=255)
    page_size: int = Field(default=0, alias="pageSize", ge=0, le=1000)
    page_token: str = Field(default="", alias="pageToken", max_length=1024)


def router(verbs: Catalogue, access: Access, clock: Clock, draining: asyncio.Event, heartbeat: float) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["audit"], route_class=StrictRoute)

    @routes.get("/v1/audit/events", responses=page("amas.audit.v1.LogEntry", "entries"))
    async def query_events(
        request: Request,
        filters: Annotated[AuditQuery, Depends(_query)],
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Answers the tenant's audit events, all filters taken together. Reading is itself recorded."""
        reader = await access.admit(caller_of(request), Action.AUDIT_READ)
        query = replace(filters, page=page_of(page_size, page_token))
        answer = await verbs.read_audit.query(reader, query)
        return respond_page("entries", answer.items, answer.next_page_token)

    @routes.get("/v1/audit/events:stream", responses=returns("amas.audit.v1.LogEntry", media=NDJSON))
    async def stream_events(
        request: Request,
        filters: Annotated[AuditQuery, Depends(_query)],
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Streams all events of a query, one a line; a line with `nextPageToken` ends each page, and the last is empty.

        Whoever was cut off goes on with the last token. A line with `error` says why a stream ended early.
        """
        reader = await access.admit(caller_of(request), Action.AUDIT_READ)
        pages = verbs.read_audit.stream(reader, replace(filters, page=page_of(0, page_token)))
        hold = verbs.hold_stream(reader)
        stream = PushedStream(pages, EntryLines(), hold, clock, draining, heartbeat, reader.expires_at)
        # The first page is awaited here, so that a refusal is a plain error.
        await stream.peek()
        return stream

    @routes.get("/v1/audit/checkpoint", responses=returns("amas.audit.v1.GetCheckpointResponse"))
    async def get_checkpoint(request: Request) -> Response:
        """Answers the newest signed tree head and the key that verifies it."""
        reader = await access.admit(caller_of(request), Action.AUDIT_READ)
        head = await verbs.read_audit.checkpoint(reader)
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

    @routes.get("/v1/audit/bundles/{digest}", responses=returns("", media=JSON))
    async def get_bundle(request: Request, digest: BundleDigest) -> Response:
        """Answers the resources and policies under a digest that events name: its SHA-256 is the digest. Recorded."""
        reader = await access.admit(caller_of(request), Action.AUDIT_READ)
        return Response(await verbs.read_audit.bundle(reader, digest), media_type=JSON)

    @routes.post("/v1/audit/subjects:search", responses=returns("amas.audit.v1.FindSubjectResponse"))
    async def find_subject(request: Request, wanted: FindSubjectBody) -> Response:
        """Answers the runs that hold a subject's data, and its keys. The reading is recorded, the name is not."""
        principal = await access.admit(caller_of(request), Action.AUDIT_READ)
        found = await verbs.find_subject(principal, wanted.subject, page_of(wanted.page_size, wanted.page_token))
        body = {
            "runs": [as_json(run) for run in found.runs],
            "nextPageToken": found.next_page_token,
            "keys": [as_json(key) for key in found.keys],
        }
        return Response(orjson.dumps(body), media_type=JSON)

    @routes.post("/v1/audit/erasures", responses=returns("amas.audit.v1.EraseContentsResponse"))
    async def erase_contents(request: Request, wanted: EraseContentsBody) -> Response:
        """Destroys what is on record of a subject. Proofs stay valid; it cannot be undone."""
        principal = await access.admit(caller_of(request), Action.AUDIT_ERASE)
        erased = await verbs.erase_contents(principal, wanted.subject, dry_run=wanted.dry_run)
        answer = audit_pb2.EraseContentsResponse(keys=erased.keys, contents=erased.contents, event_ids=erased.event_ids)
        return Response(orjson.dumps(as_json(answer)), media_type=JSON)

    return routes


async def _with_first(first: bytes, chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(chunks):
        yield first
        async for chunk in chunks:
            yield chunk


async def _query(
    run_id: Annotated[Text, Query(alias="runId")] = "",
    trace_id: Annotated[Text, Query(alias="traceId")] = "",
    principal: Text = "",
    event_type: Annotated[Text, Query(alias="type")] = "",
    role: Text = "",
    tool: Annotated[Text, Query(description="`server/tool`.")] = "",
    decision: Annotated[Literal["", "allow", "deny", "escalate"], Query()] = "",
    confidentiality: Annotated[Text, Query(description="Labelled at least so.")] = "",
    category: Annotated[list[Literal["pii", "phi", "pci", "secret"]], Query(max_length=4)] = [],  # noqa: B006 - FastAPI copies it
    integrity: Text = "",
    source: Annotated[str, Query(max_length=63, description="Service that appended it.")] = "",
    since: Time = "",
    until: Time = "",
    contents: Annotated[bool, Query(description="Also what users, models and tools said.")] = False,
    order: Annotated[Literal["oldest", "newest"], Query(description="What comes first.")] = "oldest",
) -> AuditQuery:
    """The filters that both reads of events have."""
    return AuditQuery(
        run_id=run_id,
        trace_id=trace_id,
        principal=principal,
        type=event_type,
        role=role,
        tool=tool,
        decision=decision,
        confidentiality=enum_value(
            "confidentiality", confidentiality, "CONFIDENTIALITY_", dict(label_pb2.Confidentiality.items())
        ),
        categories=tuple(sorted(set(category))),
        integrity=enum_value("integrity", integrity, "INTEGRITY_", dict(label_pb2.Integrity.items())),
        source=source,
        since=since,
        until=until,
        newest_first=order == "newest",
        contents=contents,
    )
