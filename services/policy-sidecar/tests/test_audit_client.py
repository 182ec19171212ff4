"""The audit client over real gRPC: acknowledged or an error, retries bounded, conflicts told apart (invariant I2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas_chassis import telemetry
from amas_chassis.channels import ClientChannels
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.tls import TlsFiles
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_policy_sidecar.adapters import audit_client
from amas_policy_sidecar.adapters.audit_client import AuditClient
from amas_policy_sidecar.domain.model import Event
from amas_policy_sidecar.entrypoints.wire import read_label

from .audit_service import AuditService, serve_audit
from .world import World

pytestmark = pytest.mark.integration


class Flaky(AuditService):
    """Fails as told before, or after, it has appended."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[ErrorKind] = []
        self.lose_answers = 0
        self.tries = 0

    async def Append(self, request: audit_pb2.AppendRequest, context: Any) -> audit_pb2.AppendResponse:  # noqa: N802
        self.tries += 1
        if self.failures:
            raise AmasError(self.failures.pop(0), "FENCED", "no")
        answer = await super().Append(request, context)
        if self.lose_answers:
            self.lose_answers -= 1
            raise AmasError(ErrorKind.DEADLINE_EXCEEDED, "TEST", "the answer got lost")
        return answer


@dataclass
class Log:
    service: Flaky
    client: AuditClient


@pytest.fixture
async def log(certificates: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Log]:
    monkeypatch.setattr(audit_client, "FIRST_PAUSE", 0.01)
    telemetry.configure("test", None)

    def tls(service: str) -> TlsFiles:
        files = certificates.files(service)
        return TlsFiles(cert=files.cert, key=files.key, ca=files.ca)

    service = Flaky()
    server = await serve_audit(service, tls("audit"))
    channels = ClientChannels(tls("policy-sidecar"), "policy-sidecar")
    stub: Any = audit_pb2_grpc.AuditServiceStub
    yield Log(service, AuditClient(channels.mux_client(stub, server.address, "audit")))
    await channels.close()
    await server.drain(0)


def event(number: int = 1, tenant: str = "acme") -> Event:
    context = World().context()
    principal = type(context.principal)("developer", "i", tenant)
    return Event(
        id=f"intent:{number}",
        type="dev.amas.action.intent",
        time=datetime.now(UTC),
        context=type(context)(**{**vars(context), "principal": principal}),
        role_version="1.0.0",
        data=said(number),
    )


def said(number: int) -> dict[str, Any]:
    """Data of an intent; its input, in which the number stands, is a content on its way and comes back in its place."""
    decision = {"id": "1", "effect": "allow", "reasons": []}
    return {"action": {"tool": "git/git_log"}, "decision": decision, "input": {"number": number, "text": ""}}


async def test_what_is_acknowledged_is_found_within_the_tenant(log: Log) -> None:
    """The data comes back by id, for the tenant that wrote it alone (I8)."""
    answer = await log.client.append([event()], fencing_token=3)
    assert (answer.recorded, answer.duplicate) == (True, False)
    assert await log.client.find("acme", ["intent:1", "intent:2"]) == {"intent:1": said(1)}
    assert await log.client.find("globex", ["intent:1"]) == {}


async def test_an_event_carries_the_label_of_its_context_or_of_its_result(log: Log) -> None:
    """I6: what stood in a decision's context is found by its label; what a tool answered has its own."""
    decided = event()
    untrusted = Label(Confidentiality.CONFIDENTIAL, frozenset({"pii"}), Integrity.UNTRUSTED)
    ended = Event(**{**vars(decided), "id": "outcome:1", "data": {**said(1), "label": untrusted.to_dict()}})
    await log.client.append([decided, ended])
    labels = {name: read_label(sent.label) for (_, name), sent in log.service.events.items()}
    assert labels == {"intent:1": decided.context.label, "outcome:1": untrusted}


async def test_a_lost_answer_is_asked_again(log: Log) -> None:
    """Committed although the answer got lost: the retry hears `duplicate`, and nothing stands there twice."""
    log.service.lose_answers = 1
    answer = await log.client.append([event()])
    assert (answer.recorded, answer.duplicate) == (True, True)
    assert log.service.tries == 2
    assert len(log.service.events) == 1


async def test_other_content_under_the_id_is_told_apart(log: Log) -> None:
    """A conflict is an answer, not an error: what stands there has to be looked at."""
    await log.client.append([event()])
    changed = Event(**{**vars(event()), "data": said(2)})
    answer = await log.client.append([changed])
    assert not answer.recorded


async def test_fenced_goes_through(log: Log) -> None:
    """I4: a late executor is told so and not retried."""
    log.service.failures = [ErrorKind.FAILED_PRECONDITION]
    with pytest.raises(AmasError) as caught:
        await log.client.append([event()], fencing_token=1)
    assert caught.value.reason == "FENCED"
    assert log.service.tries == 1


async def test_tries_are_bounded(log: Log) -> None:
    """A log that stays away is UNAVAILABLE in the end, with when to come back."""
    log.service.failures = [ErrorKind.DEADLINE_EXCEEDED] * 100
    with pytest.raises(AmasError) as caught:
        await log.client.append([event()])
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "AUDIT_UNAVAILABLE")
    assert caught.value.retry_after is not None
    assert log.service.tries == audit_client.MAX_TRIES
