"""The person who answers approvals: says yes to what is shown only if it is, to the letter, what the desk would do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from amas_cli.errors import CliError
from amas_cli.gateway.api import GatewayApi

from .tickets import Ticket

LOOK_EVERY_S = 0.3


class CarefulPerson:
    """Looks for approvals until cancelled, and keeps what was decided by run."""

    def __init__(self, api: GatewayApi) -> None:
        self._api = api
        self._tickets: dict[str, Ticket] = {}
        self._decided: set[str] = set()

    def knows(self, run_id: str, ticket: Ticket) -> None:
        """Tells which ticket a run is about, as the approval's page does."""
        self._tickets[run_id] = ticket

    async def watch(self) -> None:
        """Answers whatever waits."""
        while True:
            for approval in await self._api.approvals(state="APPROVAL_STATE_PENDING"):
                await self._answer(approval)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _answer(self, approval: Mapping[str, Any]) -> None:
        ticket = self._tickets.get(str(approval["run_id"]))
        if ticket is None or approval["id"] in self._decided:
            return  # its run has begun a moment ago, and it is not known yet of which ticket it is
        yes = agrees(ticket, approval)
        reason = "this is what the ticket asks for" if yes else "this is not what the ticket's customer may have"
        try:
            await self._api.decide(approval, approve=yes, reason=reason)
        except CliError:
            # Ended meanwhile, by its run or by its expiry; if not, the next look shows it again.
            return
        self._decided.add(str(approval["id"]))


def agrees(ticket: Ticket, approval: Mapping[str, Any]) -> bool:
    """Whether exactly this action is the one that the ticket's plan has."""
    plan = ticket.approve
    return plan is not None and approval.get("tool") == plan.tool and approval.get("arguments") == dict(plan.arguments)
