"""Messages are tried until they are taken, in bounds, and nothing that a receiver says is heard."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from amas_chassis.clock import ManualClock
from amas_orchestrator.domain.webhooks import RETRY_AFTER, Delivery, Endpoint, Endpoints
from amas_orchestrator.ports import Compose
from amas_orchestrator.usecases.send_webhooks import CLAIM, SendWebhooks

from ..domain.test_answering import approval
from ..fakes import FakeMetrics, clock

HOOK = Endpoint("chat", "acme", "https://hooks.example.com/", ("one",))
JITTER = 1.2


class FakeOutbox:
    """Outbox on dicts, with one approval that is to be told once."""

    def __init__(self) -> None:
        self.waiting: dict[str, tuple[Delivery, datetime]] = {}
        self.ended: dict[str, str] = {}
        self.untold = [approval()]

    async def collect(self, tenants: frozenset[str], compose: Compose, now: datetime, limit: int) -> int:
        changed = [found for found in self.untold if found.tenant in tenants]
        self.untold = [found for found in self.untold if found.tenant not in tenants]
        for made in (made for found in changed for made in compose(found, None)):
            self.waiting.setdefault(made.id, (made, now))
        return len(changed)

    async def due(self, now: datetime, until: datetime, limit: int) -> list[Delivery]:
        found = [made for made, at in self.waiting.values() if at <= now][:limit]
        for made in found:
            self.waiting[made.id] = (replace(made, attempts=made.attempts + 1), until)
        return found

    async def delivered(self, delivery_id: str) -> None:
        del self.waiting[delivery_id]
        self.ended[delivery_id] = "delivered"

    async def failed(self, delivery_id: str, retry_at: datetime | None) -> None:
        if retry_at is None:
            del self.waiting[delivery_id]
            self.ended[delivery_id] = "given_up"
        else:
            self.waiting[delivery_id] = (self.waiting[delivery_id][0], retry_at)


class FakeSender:
    """WebhookSender that succeeds after some failures."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.sent: list[Delivery] = []

    async def send(self, endpoint: Endpoint, delivery: Delivery, at: datetime) -> bool:
        self.sent.append(delivery)
        return len(self.sent) > self.failures


class Made:
    """The use case and what it works on."""

    def __init__(self, failures: int = 0, *endpoints: Endpoint) -> None:
        self.outbox, self.sender, self.metrics = FakeOutbox(), FakeSender(failures), FakeMetrics()
        self.clock: ManualClock = clock()
        self.send = SendWebhooks(self.outbox, self.sender, Endpoints(endpoints), self.clock, self.metrics)


async def test_a_message_is_tried_again_under_its_id_until_it_is_taken() -> None:
    """Later each time; the same id and the same body at every attempt."""
    made = Made(2, HOOK)
    assert [await made.send(), await made.send()] == [1, 0]
    made.clock.advance(RETRY_AFTER[0].total_seconds() * JITTER)
    assert await made.send() == 1
    made.clock.advance(RETRY_AFTER[0].total_seconds() * JITTER)
    assert await made.send() == 0, "the pause is longer now"
    made.clock.advance(RETRY_AFTER[1].total_seconds() * JITTER)
    assert await made.send() == 1
    assert len({(sent.id, sent.body) for sent in made.sender.sent}) == 1
    assert list(made.outbox.ended.values()) == ["delivered"]
    assert [outcome for _, outcome in made.metrics.told] == ["retried", "retried", "delivered"]


async def test_a_receiver_that_never_answers_is_given_up() -> None:
    """After the last pause; nothing is tried for ever."""
    made = Made(1000, HOOK)
    for pause in (*RETRY_AFTER, RETRY_AFTER[-1]):
        await made.send()
        made.clock.advance(pause.total_seconds() * JITTER)
    await made.send()
    assert len(made.sender.sent) == len(RETRY_AFTER) + 1
    assert list(made.outbox.ended.values()) == ["given_up"]
    assert made.metrics.told[-1] == ("webhook_sent", "given_up")


async def test_a_message_that_was_cut_is_sent_again() -> None:
    """At least once: a process that dies in an attempt leaves the message to whoever comes after its claim."""
    made = Made(0, HOOK)
    made.outbox.untold = []
    now = made.clock.now()
    made.outbox.waiting["msg_1"] = (Delivery("msg_1", "acme", "chat", "{}"), now)
    [claimed] = await made.outbox.due(now, now + CLAIM, 1)
    assert await made.send() == 0, "it is another's"
    made.clock.advance(CLAIM.total_seconds())
    assert await made.send() == 1
    assert [sent.id for sent in made.sender.sent] == [claimed.id]


async def test_a_receiver_that_was_taken_out_is_told_nothing() -> None:
    """Messages for it end."""
    made = Made(0, replace(HOOK, name="other", tenant="globex"))
    made.outbox.waiting["msg_1"] = (Delivery("msg_1", "acme", "chat", "{}"), made.clock.now())
    await made.send()
    assert (made.sender.sent, made.outbox.ended) == ([], {"msg_1": "given_up"})


@pytest.mark.parametrize("endpoints", [(), (replace(HOOK, tenant="globex"),)])
async def test_without_a_receiver_of_the_tenant_nothing_is_told(endpoints: tuple[Endpoint, ...]) -> None:
    """I8: nobody is told of another tenant's approvals."""
    made = Made(0, *endpoints)
    assert await made.send() == 0
    assert made.outbox.untold, "nobody reads it"
