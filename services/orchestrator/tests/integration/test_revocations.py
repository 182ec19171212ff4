"""Revocations over real processes: runs that wait end, also over a restart, and a lost copy comes back (I1, I4)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from amas.common.v1 import identity_pb2, revocation_pb2, run_pb2
from amas.orchestrator.v1 import orchestrator_pb2 as pb
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.rpc_errors import from_rpc_error
from grpc.aio import AioRpcError

from .platform import DEVELOPER, HELD_SECONDS, Platform, Process

# Processes have bounds of their own; a hang of one of them is told by those.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ADMIN = identity_pb2.Principal(subject="admin", issuer="https://issuer", tenant="acme", roles=["platform-admin"])
ROLE = revocation_pb2.REVOCATION_KIND_ROLE
PRINCIPAL = revocation_pb2.REVOCATION_KIND_PRINCIPAL


def writes(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Asks for a write, which waits for a human."""
    call = {"id": "c0", "type": "function", "function": {"name": "notes__write", "arguments": "{}"}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


async def revoke(amas: Platform, process: Process, kind: Any, name: str) -> pb.RevokeResponse:
    request = pb.RevokeRequest(principal=ADMIN, kind=kind, name=name, reason="compromised")
    response: pb.RevokeResponse = await amas.stub(process).Revoke(request)
    return response


async def waiting(amas: Platform, process: Process) -> str:
    """A run that waits for a human."""
    run_id = await amas.run(process, "single")
    await amas.reaches(process, run_id, lambda run: run.state == run_pb2.RUN_STATE_WAITING)
    return run_id


async def test_a_waiting_run_ends_and_the_next_does_not_start(amas: Platform) -> None:
    """I1: by another process than the one that works on it; the copy has it before the answer is given."""
    amas.fakes.brain = writes
    worker = await amas.start(LEASE_SECONDS=HELD_SECONDS)
    await amas.apply(worker)
    run_id = await waiting(amas, worker)
    other = await amas.start(LEASE_SECONDS=HELD_SECONDS)
    # Whether it existed cannot be said of the first: the channel asks again if the copy took long.
    made, again = [await revoke(amas, other, ROLE, "worker") for _ in range(2)]
    assert (again.existed, again.revocation.id) == (True, made.revocation.id)
    assert amas.fakes.revocations is not None
    assert [(one.tenant, one.kind, one.name) for one in amas.fakes.revocations.subjects] == [("acme", ROLE, "worker")]
    run = await amas.ended(worker, run_id)
    assert (run.state, run.reason.code) == (run_pb2.RUN_STATE_FAILED, "REVOKED")
    assert run.reason.message == "role worker is revoked"
    assert amas.fakes.event_types(run_id)[-1] == "run.ended"
    assert not amas.fakes.effects
    with pytest.raises(AioRpcError) as caught:
        await amas.run(other, "single")
    error: AmasError = from_rpc_error(caught.value)
    assert (error.kind, error.reason) == (ErrorKind.FAILED_PRECONDITION, "REVOKED")
    recorded = [(event.type, event.id) for event in amas.fakes.events if event.type.startswith("dev.amas.revocation")]
    assert recorded == [("dev.amas.revocation.made", f"revocation-made:acme/{made.revocation.id}")]


async def test_a_restart_forgets_no_revocation(amas: Platform) -> None:
    """I4: all processes were killed with a run waiting; the next one ends it, and hands the copy over again."""
    amas.fakes.brain = writes
    first = await amas.start()
    await amas.apply(first)
    run_id = await waiting(amas, first)
    await first.kill()
    second = await amas.start()
    await revoke(amas, second, PRINCIPAL, DEVELOPER.subject)
    await second.kill()
    amas.fakes.revocations = None
    third = await amas.start()
    run = await amas.ended(third, run_id)
    assert (run.state, run.reason.code) == (run_pb2.RUN_STATE_FAILED, "REVOKED")
    await amas.until(lambda: amas.fakes.revocations is not None, "the copy was handed over again")
    assert amas.fakes.revocations is not None
    assert [one.name for one in amas.fakes.revocations.subjects] == [DEVELOPER.subject]
    listed = await amas.stub(third).ListRevocations(pb.ListRevocationsRequest(principal=ADMIN))
    assert [(one.name, one.reason, one.revoked_by) for one in listed.revocations] == [
        (DEVELOPER.subject, "compromised", "admin")
    ]


async def test_the_gateway_is_told_of_principals(amas: Platform) -> None:
    """What one process was told, any other tells the gateway at once."""
    first, second = await asyncio.gather(*(amas.start(LEASE_SECONDS=HELD_SECONDS) for _ in range(2)))
    await revoke(amas, first, PRINCIPAL, "mallory")
    told = await amas.stub(second).GetRevokedPrincipals(pb.GetRevokedPrincipalsRequest())
    assert [(one.tenant, one.subject) for one in told.principals] == [("acme", "mallory")]
    again = await amas.stub(second).GetRevokedPrincipals(pb.GetRevokedPrincipalsRequest(known_version=told.version))
    assert (again.version, list(again.principals)) == (told.version, [])


async def test_a_kind_that_is_none_is_refused(amas: Platform) -> None:
    """I11: a precise error."""
    process = await amas.start()
    for number in (0, 99):
        with pytest.raises(AioRpcError) as caught:
            await revoke(amas, process, number, "x")
        assert from_rpc_error(caught.value).reason == "REVOCATION_KIND_UNKNOWN"
