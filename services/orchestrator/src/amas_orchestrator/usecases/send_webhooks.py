"""Tells the receivers of a tenant about its approvals: at least once, under one id, with bounded retries.

What is told follows from the approvals themselves, so that a crash loses nothing. Nothing that a receiver answers is
read: an approval is decided by an authenticated call, never by the answer to a webhook.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta

from amas_chassis.clock import Clock

from amas_orchestrator.domain.webhooks import RETRY_AFTER, Delivery, Endpoints, deliveries
from amas_orchestrator.ports import Metrics, Outbox, WebhookSender

_log = logging.getLogger(__name__)

BATCH = 32
CLAIM = timedelta(seconds=60)
"""How long a message is ours: longer than an attempt takes, so that two executors do not send it at once."""


class SendWebhooks:
    """Sends what is due; called every second."""

    def __init__(
        self, outbox: Outbox, sender: WebhookSender, endpoints: Endpoints, clock: Clock, metrics: Metrics
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._endpoints = endpoints
        self._clock = clock
        self._metrics = metrics

    async def __call__(self) -> int:
        """How many messages were tried."""
        if not self._endpoints.all:
            return 0
        now = self._clock.now()
        await self._outbox.collect(
            self._endpoints.tenants,
            lambda approval, notice: deliveries(self._endpoints, approval, notice, now=now),
            now,
            BATCH,
        )
        due = await self._outbox.due(now, now + CLAIM, BATCH)
        await asyncio.gather(*(self._try(delivery) for delivery in due))
        return len(due)

    async def _try(self, delivery: Delivery) -> None:
        endpoint = self._endpoints.named(delivery.tenant, delivery.endpoint)
        if endpoint is None:
            # Its receiver was taken out of the settings.
            await self._outbox.failed(delivery.id, None)
            return
        now = self._clock.now()
        if await self._sender.send(endpoint, delivery, now):
            self._metrics.webhook_sent("delivered")
            await self._outbox.delivered(delivery.id)
        elif delivery.attempts < len(RETRY_AFTER):
            self._metrics.webhook_sent("retried")
            jitter = random.uniform(1.0, 1.2)  # noqa: S311 - jitter, no secret
            await self._outbox.failed(delivery.id, self._clock.now() + RETRY_AFTER[delivery.attempts] * jitter)
        else:
            self._metrics.webhook_sent("given_up")
            _log.error("a webhook message was given up", extra={"endpoint": endpoint.name, "message_id": delivery.id})
            await self._outbox.failed(delivery.id, None)
