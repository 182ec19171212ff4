import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from aiohttp import web
from amas_cli.commands.audit_query import moment
from amas_cli.errors import CliError
from amas_cli.gateway import api as api_module
from amas_cli.gateway.audit_pages import RECONNECTS

from ..fakes import FakeGateway
from .conftest import Run

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PATH = ("GET", "/v1/audit/events")
STREAM = ("GET", "/v1/audit/events:stream")


def entry(index: int) -> dict[str, object]:
    event = {"type": "dev.amas.action.denied", "time": "2026-11-28T11:00:00Z", "step": "publish", "dataJson": "{}"}
    return {"index": str(index), "source": "policy-sidecar", "event": event}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h", "2026-11-28T11:00:00Z"),
        ("90s", "2026-11-28T11:58:30Z"),
        ("2w", "2026-11-14T12:00:00Z"),
        ("2026-11-28T13:00:00+02:00", "2026-11-28T11:00:00Z"),
        ("2026-11-28", "2026-11-28T00:00:00Z"),
        ("", ""),
    ],
)
def test_times_are_said_as_people_say_them(text: str, expected: str) -> None:
    """How long ago, or when, in any offset; a time without one is UTC."""
    assert moment("--since", text, NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "1 h", "-1h", "1y", "25:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """I11: a time that was misunderstood would hide events."""
    with pytest.raises(CliError, match="--since"):
        moment("--since", text, NOW)


def test_every_option_reaches_the_gateway(run: Run, gateway: FakeGateway) -> None:
    """What is given narrows the query; what is not given is not sent."""
    gateway.answers[PATH] = {"entries": [entry(7)], "nextPageToken": "t1"}
    options = "--run r --trace t --principal p --role ro --tool s/t --decision deny --confidentiality confidential"
    options += " --category pii --category pci --integrity untrusted --source gateway --type action.denied --newest"
    done = run("audit", "query", *options.split(), "--until", "2026-11-28T11:00:00Z", "--limit", "1")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1].split()[:4] == ["7", "2026-11-28T11:00:00Z", "action.denied", "publish"]
    assert "--after t1" in done.stderr
    sent = gateway.asked[-1].query
    assert sorted(sent.items()) == [
        ("category", "pci"),
        ("category", "pii"),
        ("confidentiality", "confidential"),
        ("decision", "deny"),
        ("integrity", "untrusted"),
        ("order", "newest"),
        ("pageSize", "1"),
        ("principal", "p"),
        ("role", "ro"),
        ("runId", "r"),
        ("source", "gateway"),
        ("tool", "s/t"),
        ("traceId", "t"),
        ("type", "dev.amas.action.denied"),
        ("until", "2026-11-28T11:00:00Z"),
    ]
    assert run("audit", "list", "--limit", "1").exit_code == 0
    assert sorted(gateway.asked[-1].query) == ["pageSize"]


def test_a_limit_is_kept_over_pages(run: Run, gateway: FakeGateway) -> None:
    """The service may answer less than a page; the next is asked until there is enough, or no more."""
    left = [([entry(1)], "t1"), ([entry(2)], "t2"), ([], "t3"), ([entry(3)], "")]

    async def answer(_: web.Request) -> web.StreamResponse:
        entries, token = left.pop(0)
        return web.json_response({"entries": entries, "nextPageToken": token})

    gateway.handlers[PATH] = answer
    done = run("audit", "query", "--limit", "9", "--output", "json")
    assert [item["index"] for item in json.loads(done.stdout)] == ["1", "2", "3"]
    assert done.stderr == ""
    assert [one.query.get("pageToken") for one in gateway.asked] == [None, "t1", "t2", "t3"]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def connections(*contents: bytes) -> Handler:
    """Streams that end one after the other, the last of them for ever."""
    left = list(contents)

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(left.pop(0) if len(left) > 1 else left[0])
        return response

    return handle


def lines(*contents: object) -> bytes:
    return b"".join(json.dumps(content).encode() + b"\n" for content in contents)


def test_a_stream_that_is_cut_goes_on_without_loss_or_repetition(
    run: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a connection ends, each entry is printed once: pages that were not whole are asked for again."""
    monkeypatch.setattr(api_module, "RECONNECT_DELAY_S", 0.0)
    gateway.handlers[STREAM] = connections(
        lines(entry(1), {"nextPageToken": "t1"}, entry(2)),
        lines(entry(2), entry(3), {"nextPageToken": "t3"}, {"error": {"reason": "TOKEN_EXPIRED", "detail": "late"}}),
        lines(entry(4))[:-9],
        lines(entry(4), {"nextPageToken": ""}),
    )
    done = run("audit", "query", "--all", "--output", "jsonl", "--role", "publisher")
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == ["1", "2", "3", "4"]
    assert [one.query.get("pageToken") for one in gateway.asked] == [None, "t1", "t3", "t3"]
    assert {one.query["role"] for one in gateway.asked} == {"publisher"}


def test_a_stream_that_never_gets_on_ends_with_the_place_to_go_on(
    run: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script does not hang, and whoever runs it can go on later."""
    monkeypatch.setattr(api_module, "RECONNECT_DELAY_S", 0.0)
    gateway.handlers[STREAM] = connections(lines(entry(1), {"nextPageToken": "t1"}), b"")
    done = run("audit", "query", "--all", "--output", "jsonl")
    assert done.exit_code == 5, done.output
    assert "--after t1" in done.stderr
    assert len(gateway.asked) == 1 + RECONNECTS


def test_a_query_that_is_too_wide_is_not_repeated(run: Run, gateway: FakeGateway) -> None:
    """What asking again does not mend ends at once, with advice."""
    error = {"error": {"reason": "QUERY_TOO_WIDE", "detail": "narrow it"}}
    gateway.handlers[STREAM] = connections(lines(error))
    done = run("audit", "query", "--all")
    assert done.exit_code == 1, done.output
    assert "narrow it (QUERY_TOO_WIDE)" in done.stderr
    assert len(gateway.asked) == 1
