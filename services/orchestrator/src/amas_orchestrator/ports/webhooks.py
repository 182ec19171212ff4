"""Telling other systems about approvals: the outbox, and the way out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from amas_orchestrator.domain.approvals import Approval
from amas_orchestrator.domain.notices import Notice
from amas_orchestrator.domain.webhooks import Delivery, Endpoint

Compose = Callable[[Approval, Notice | None], list[Delivery]]
"""The messages about an approval, or about one of its notices."""


class Outbox(Protocol):
    """Messages that are to be sent. Each method is one transaction."""

    async def collect(self, tenants: frozenset[str], compose: Compose, now: datetime, limit: int) -> int:
        """Stores messages about what has changed since the last time; how many changes there were.

        A change and its messages are stored together, and a message once for its id, so that none is lost or doubled.
        """
        ...

    async def due(self, now: datetime, until: datetime, limit: int) -> list[Delivery]:
        """Messages that are due, some of each receiver; nobody else is given them before `until`."""
        ...

    async def delivered(self, delivery_id: str) -> None:
        """The receiver took it."""
        ...

    async def failed(self, delivery_id: str, retry_at: datetime | None) -> None:
        """An attempt failed: it is tried again then, or given up (None)."""
        ...


class WebhookSender(Protocol):
    """The way out."""

    async def send(self, endpoint: Endpoint, delivery: Delivery, at: datetime) -> bool:
        """Posts a signed message; whether the receiver took it. What it answers besides is not read."""
        ...
