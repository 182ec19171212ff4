"""Queries of the audit log over REST and gRPC: filters, streams, and what is left on record of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import httpx
import pytest
from amas.common.v1 import label_pb2
from amas.gateway.v1 import gateway_pb2 as pb
from amas.gateway.v1 import gateway_pb2_grpc as rpc
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.grpc_server import public_server
from amas_gateway.domain.errors import TokenFault
from amas_gateway.domain.model import AuditQuery, Page, PageQuery
from amas_gateway.entrypoints import grpc_api
from amas_gateway.entrypoints.rest import pushed_stream
from amas_gateway.entrypoints.rest.entry_stream import EntryLines
from amas_gateway.usecases.read_audit import STREAM_PAGE, ReadAudit

from .fakes import PRINCIPALS
from .rest_calls import bearer
from .world import World

WHOLE = AuditQuery(
    run_id="run-1",
    trace_id="0" * 32,
    principal="developer",
    type="dev.amas.action.denied",
    role="publisher",
    tool="git/git_commit",
    decision="deny",
    confidentiality=3,
    categories=("pci", "pii"),
    integrity=2,
    source="policy-sidecar",
    since="2026-01-01T00:00:00Z",
    until="2026-02-01T00:00:00Z",
    newest_first=True,
    contents=True,
)
AUDITOR = (("authorization", "Bearer auditor"),)
PARAMETERS = (
    "runId=run-1&traceId=" + "0" * 32 + "&principal=developer&type=dev.amas.action.denied&role=publisher"
    "&tool=git/git_commit&decision=deny&confidentiality=confidential&category=pii&category=pci&integrity=untrusted"
    "&source=policy-sidecar&since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z&order=newest&contents=true"
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(world.http())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


@pytest.fixture
async def channel(world: World) -> AsyncIterator[grpc.aio.Channel]:
    server = public_server("127.0.0.1:0", grpc_api.services(world.verbs, world.access, world.clock), tls=None)
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel
    await server.drain(1)


async def test_every_filter_reaches_the_log_and_the_record(world: World, client: httpx.AsyncClient) -> None:
    """What was asked is what was looked for, and what is on record of it, with the number of entries shown."""
    answer = await client.get(f"/v1/audit/events?{PARAMETERS}&pageSize=5", headers=bearer("auditor"))
    assert [entry["event"]["id"] for entry in answer.json()["entries"]] == ["e7"]
    assert world.audit.queries == [replace(WHOLE, page=PageQuery(5))]
    assert world.audit.reads == [("auditor", "query", WHOLE.filters(), 1)]
    assert set(WHOLE.filters()) == {name for name in AuditQuery.__dataclass_fields__ if name != "page"}


async def test_whose_data_is_found_over_both_ways(
    world: World, client: httpx.AsyncClient, channel: grpc.aio.Channel
) -> None:
    """REST and gRPC say the same, and the name stands in no address and no record."""
    body = {"subject": "alice", "pageSize": 10}
    rest = await client.post("/v1/audit/subjects:search", json=body, headers=bearer("auditor"))
    assert rest.json() == {
        "runs": [{"runId": "run-1", "events": "1", "contents": "2", "firstIndex": "0", "lastIndex": "0"}],
        "nextPageToken": "",
        "keys": [{"id": "k1", "retention": "standard", "contents": "2"}],
    }
    stub: Any = rpc.AuditServiceStub(channel)
    answer = await stub.FindSubject(pb.FindSubjectRequest(subject="alice"), metadata=AUDITOR)
    assert ([run.run_id for run in answer.runs], [key.id for key in answer.keys]) == (["run-1"], ["k1"])
    assert world.audit.reads == [("auditor", "subject", {"keys": ["k1"]}, 1)] * 2
    for wrong in ({}, {"subject": ""}, {"subject": "a", "pageSize": 1001}):
        refused = await client.post("/v1/audit/subjects:search", json=wrong, headers=bearer("auditor"))
        assert refused.status_code in (400, 422), refused.text


@pytest.mark.parametrize(
    "wrong", ["decision=maybe", "confidentiality=secret", "category=secrets", "integrity=so-so", "order=random"]
)
async def test_a_filter_that_means_nothing_is_refused(world: World, client: httpx.AsyncClient, wrong: str) -> None:
    """I11: a misspelt filter is an error; otherwise an auditor would take nothing found for nothing there."""
    response = await client.get(f"/v1/audit/events?{wrong}", headers=bearer("auditor"))
    assert response.status_code in (400, 422), response.text
    assert wrong.partition("=")[0] in response.text
    assert (world.audit.queries, world.audit.reads) == ([], [])


async def test_a_stream_gives_all_and_goes_on_where_it_was_cut(world: World, client: httpx.AsyncClient) -> None:
    """Each entry is a line, each page ends with its token, and the last token is empty; each page is on record."""
    world.audit.size = 2 * STREAM_PAGE + 10
    world.audit.pages_left = 2
    path = "/v1/audit/events:stream?role=publisher"
    cut = [json.loads(line) for line in (await client.get(path, headers=bearer("auditor"))).text.splitlines()]
    assert cut[-1] == {"error": {"reason": "LOG_UNAVAILABLE", "detail": "away"}}
    token = cut[-2]["nextPageToken"]
    world.audit.pages_left = 9
    rest = await client.get(f"{path}&pageToken={token}", headers=bearer("auditor"))
    assert rest.headers["content-type"] == "application/x-ndjson"
    lines = cut[:-1] + [json.loads(line) for line in rest.text.splitlines()]
    assert lines[-1] == {"nextPageToken": ""}
    found = [int(line["index"]) for line in lines if "index" in line]
    assert found == list(range(7, 7 + 2 * STREAM_PAGE + 10))
    assert [read[1:] for read in world.audit.reads] == [
        ("stream", {"role": "publisher"}, count) for count in (STREAM_PAGE, STREAM_PAGE, 10)
    ]


async def test_a_gateway_that_ends_ends_its_streams_of_entries(world: World, client: httpx.AsyncClient) -> None:
    """I12: with a word about it after the last whole page, so that whoever reads goes on from there elsewhere."""
    world.audit.size, world.audit.stuck = STREAM_PAGE + 1, True
    asked = asyncio.ensure_future(client.get("/v1/audit/events:stream", headers=bearer("auditor")))
    await world.audit.waiting.wait()
    world.draining.set()
    lines = [json.loads(line) for line in (await asked).text.splitlines()]
    assert lines[-2:] == [
        {"nextPageToken": str(7 + STREAM_PAGE)},
        {"error": {"reason": "DRAINING", "detail": "the gateway ends: go on with the last token"}},
    ]
    assert world.instruments.streams.collect()[0].samples[0].value == 0


async def test_who_does_not_read_holds_no_stream(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes nothing is dropped after a time, its place and its page upstream given back."""
    monkeypatch.setattr(pushed_stream, "SEND_TIMEOUT_SECONDS", 0.01)
    reader = PRINCIPALS["auditor"]
    pages = world.verbs.read_audit.stream(reader, AuditQuery())
    hold = world.verbs.hold_stream(reader)
    stream = pushed_stream.PushedStream(
        pages, EntryLines(), hold, world.clock, asyncio.Event(), 1.0, world.clock.now().timestamp() + 60
    )

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    assert await stream.peek()
    assert world.instruments.streams.collect()[0].samples[0].value == 1
    await stream({"type": "http"}, receive, send)
    assert world.instruments.streams.collect()[0].samples[0].value == 0


async def test_a_client_that_left_before_the_first_line_holds_no_stream(world: World) -> None:
    """Else its principal had a stream less for good."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/audit/events:stream",
        "raw_path": b"/v1/audit/events:stream",
        "query_string": b"",
        "headers": [(b"host", b"gateway"), (b"authorization", b"Bearer auditor")],
        "client": ("127.0.0.1", 1),
        "server": ("gateway", 80),
    }
    heard = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(heard, {"type": "http.disconnect"})

    async def send(_message: Any) -> None:
        await asyncio.sleep(0)

    await world.http()(scope, receive, send)
    assert len(world.audit.reads) == 1
    assert world.instruments.streams.collect()[0].samples[0].value == 0


async def test_a_stream_ends_with_its_token(world: World) -> None:
    """Whoever's token ran out reads no further page."""
    late = replace(PRINCIPALS["auditor"], expires_at=world.clock.now().timestamp() - 1)
    read = ReadAudit(world.audit, world.audit, world.audit, world.resources, world.clock)
    pages: AsyncIterator[Page[object]] = read.stream(late, AuditQuery())
    with pytest.raises(AmasError) as refused:
        await anext(pages)
    assert refused.value.reason == TokenFault.EXPIRED.value
    assert world.audit.reads == []


async def test_grpc_asks_the_same(world: World, channel: grpc.aio.Channel) -> None:
    """The public gRPC service has the same filters, pages and record."""
    audit = rpc.AuditServiceStub(channel)
    request = pb.QueryEventsRequest(
        run_id=WHOLE.run_id,
        trace_id=WHOLE.trace_id,
        principal=WHOLE.principal,
        type=WHOLE.type,
        role=WHOLE.role,
        tool=WHOLE.tool,
        decision=WHOLE.decision,
        confidentiality=label_pb2.CONFIDENTIALITY_CONFIDENTIAL,
        categories=["pii", "pci"],
        integrity=label_pb2.INTEGRITY_UNTRUSTED,
        source=WHOLE.source,
        newest_first=True,
        contents=True,
        page_size=5,
    )
    request.since.FromJsonString(WHOLE.since)
    request.until.FromJsonString(WHOLE.until)
    answer = await audit.QueryEvents(request, metadata=AUDITOR)
    assert [entry.event.id for entry in answer.entries] == ["e7"]
    assert world.audit.queries == [replace(WHOLE, page=PageQuery(5))]
    world.audit.size = STREAM_PAGE + 1
    everything = pb.StreamEventsRequest(query=pb.QueryEventsRequest())
    pages = [page async for page in audit.StreamEvents(everything, metadata=AUDITOR)]
    assert [(len(page.entries), bool(page.next_page_token)) for page in pages] == [(STREAM_PAGE, True), (1, False)]
    assert (await audit.GetCheckpoint(pb.GetCheckpointRequest(), metadata=AUDITOR)).verifier_key == "key"
    assert [read[1] for read in world.audit.reads] == ["query", "stream", "stream", "checkpoint"]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await audit.QueryEvents(request, metadata=(("authorization", "Bearer developer"),))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("reason", "kind", "recorded"),
    [
        ("ENTRIES_ARCHIVED", ErrorKind.FAILED_PRECONDITION, [("auditor", "query", {"principal": "anna"}, 0)]),
        ("LOG_UNAVAILABLE", ErrorKind.UNAVAILABLE, []),
    ],
)
async def test_that_something_is_archived_is_an_answer_and_on_record(
    world: World, client: httpx.AsyncClient, reason: str, kind: ErrorKind, recorded: list[object]
) -> None:
    """Who is told that there is something about a person has read the log; who is told nothing has not."""
    world.audit.instead = AmasError(kind, reason, "this reaches into entries 0 to 9")
    answer = await client.get("/v1/audit/events?principal=anna", headers=bearer("auditor"))
    assert answer.json()["reason"] == reason
    assert world.audit.reads == recorded
