"""Revocations at the edge: who may make them, and whose tokens are refused (I1, I8, I11)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from amas.orchestrator.v1 import orchestrator_pb2 as pb
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.adapters.revocations import LEASE, RevokedPrincipals

from .fakes import PRINCIPALS, make_run
from .held import orchestrator_calls
from .rest_calls import CALLS, bearer, check_problem
from .world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.runs.runs["run-1"] = make_run("run-1", PRINCIPALS["developer"])
    return world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(world.http())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_revoke_list_restore(world: World, client: httpx.AsyncClient) -> None:
    """201 for a new one, 200 for one that holds; the list shows it until it is restored."""
    body = {"kind": "tool", "name": "git/git_commit", "reason": "because", "force": True}
    made = await client.post("/v1/revocations", json=body, headers=bearer("admin"))
    assert (made.status_code, made.json()["existed"]) == (201, False)
    assert made.json()["revocation"]["kind"] == "REVOCATION_KIND_TOOL"
    assert world.revocations.forced == [True]
    again = await client.post("/v1/revocations", json=body, headers=bearer("admin"))
    assert (again.status_code, again.json()["existed"]) == (200, True)
    listed = (await client.get("/v1/revocations", headers=bearer("auditor"))).json()
    assert [one["name"] for one in listed["revocations"]] == ["git/git_commit"]
    what = {"kind": "tool", "name": "git/git_commit"}
    lifted = await client.post("/v1/revocations:restore", json=what, headers=bearer("admin"))
    assert (lifted.status_code, lifted.json()["revocation"]["liftedBy"]) == (200, "admin")
    assert (await client.get("/v1/revocations", headers=bearer("admin"))).json()["revocations"] == []
    assert len((await client.get("/v1/revocations?all=true", headers=bearer("admin"))).json()["revocations"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "server", "name": "git"},
        {"kind": "role", "name": ""},
        {"kind": "role", "name": "x" * 256},
        {"kind": "role"},
        {"kind": "role", "name": "writer", "reason": "x" * 1001},
        {"kind": "role", "name": "writer", "until": "tomorrow"},
    ],
)
async def test_a_request_that_is_wrong_names_its_field(client: httpx.AsyncClient, body: Any) -> None:
    """I11: nothing is revoked by a request that means something else."""
    check_problem(await client.post("/v1/revocations", json=body, headers=bearer("admin")), 422, "REQUEST_INVALID")


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
async def test_a_revoked_principal_gets_nowhere(world: World, client: httpx.AsyncClient, call: tuple[str, str]) -> None:
    """I1: a token that is valid in all else is refused on every route, with 403 and REVOKED, and that is recorded."""
    world.revoked.subjects.add(("acme", "admin"))
    response = await client.request(*call, json=CALLS[call][1], headers=bearer("admin"))
    assert response.status_code == 403
    assert "REVOKED" in response.text or "revoked" in response.text
    assert [(denial.reason, denial.principal) for denial in world.denials.seen] == [("REVOKED", "admin")]


async def test_a_principal_of_the_same_name_elsewhere_is_another(world: World, client: httpx.AsyncClient) -> None:
    """I8: revocations end at the tenant."""
    world.revoked.subjects.add(("globex", "developer"))
    assert (await client.get("/v1/runs", headers=bearer("developer"))).status_code == 200


async def test_nobody_knows_who_is_revoked(world: World, client: httpx.AsyncClient) -> None:
    """I2: refused until it is known; model calls go on, since policy decides about them where they are made."""
    world.revoked.unknown = True
    check_problem(await client.get("/v1/runs", headers=bearer("developer")), 503, "UPSTREAM_UNAVAILABLE")
    body = {"model": "default", "messages": []}
    assert (await client.post("/v1/chat/completions", json=body, headers=bearer("developer"))).status_code == 200
    assert world.denials.seen == []


async def test_a_stream_ends_when_its_principal_is_revoked(world: World) -> None:
    """What was revoked meanwhile gets no further part of an answer, and no further event of a run."""
    who = PRINCIPALS["developer"]
    await world.runs.emit("run-1", 2)
    events = world.verbs.watch_run(who, "run-1")
    assert (await anext(events)).sequence == 1
    world.revoked.subjects.add(("acme", "developer"))
    with pytest.raises(AmasError) as caught:
        await anext(events)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.PERMISSION_DENIED, "REVOKED")


class _Orchestrator:
    """The stub, the client and what it knows."""

    def __init__(self) -> None:
        self.stub = self
        self.answer = pb.GetRevokedPrincipalsResponse(version=1)
        self.asked: list[int] = []

    async def GetRevokedPrincipals(self, request: Any, **_: float) -> Any:  # noqa: N802 - named by the contract
        self.asked.append(request.known_version)
        if request.known_version == self.answer.version:
            return pb.GetRevokedPrincipalsResponse(version=self.answer.version)
        return self.answer


async def test_revoked_principals_are_known_within_a_second() -> None:
    """What is kept is believed for less than a second; the whole list is sent only when it changed."""
    orchestrator, clock = _Orchestrator(), ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    revoked = RevokedPrincipals(orchestrator_calls(orchestrator), clock)
    who = PRINCIPALS["developer"]
    await revoked.refuse(who)
    await revoked.refuse(who)
    assert orchestrator.asked == [0]
    orchestrator.answer = pb.GetRevokedPrincipalsResponse(
        version=2, principals=[pb.RevokedPrincipal(tenant="acme", subject="developer")]
    )
    clock.advance(LEASE)
    for _ in range(2):
        with pytest.raises(AmasError) as caught:
            await revoked.refuse(who)
        assert caught.value.reason == "REVOKED"
        clock.advance(LEASE)
    assert revoked.has(who)
    await revoked.refuse(PRINCIPALS["stranger"])
    assert orchestrator.asked == [0, 1, 2, 2]
    assert LEASE < 1.0
