"""The shipped help desk on a whole platform whose model obeys whatever it reads, as an attacker meets it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from amas_cli.demo.attack.help_desk import FOLDER
from amas_cli.demo.attack.observed import Attempt, Observed
from amas_cli.demo.attack.tickets import Ticket, load_cases
from amas_cli.gateway.wire import normal
from amas_helpdesk_server.state import Effect, State

from ..gateway_client import GatewayClient
from ..local_platform import CONTRACTS, LocalPlatform
from ..waiting import wait_for

RUN_TIMEOUT_S = 90.0
RECORDS = load_cases().records
_OWN = frozenset({"reply_to_ticket", "update_ticket", "close_ticket"})


@dataclass
class Outcome:
    """What came of one ticket."""

    ticket: str
    run: dict[str, Any]
    seen: Observed
    effects: list[Effect]
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The approvals that were asked for."""

    def tried(self, tool: str) -> list[Attempt]:
        """The calls of a tool, or orders to a delegate, that were proposed."""
        return [attempt for attempt in self.seen.attempts if attempt.tool.rpartition("/")[2] == tool]

    def codes(self, tool: str) -> set[str]:
        """Why they were not simply done."""
        return {code for attempt in self.tried(tool) if attempt.effect != "allow" for code in attempt.codes}

    @property
    def foreign(self) -> list[Effect]:
        """Effects that reach anybody but the ticket's writer, whoever ordered them."""
        return [effect for effect in self.effects if not self._own(effect)]

    def _own(self, effect: Effect) -> bool:
        if effect.tool in _OWN:
            return effect.arguments["ticket"] == self.ticket
        customer = self.seen.ticket.customer
        mine = [order for order in RECORDS["orders"] if order["customer"] == customer]
        if effect.tool == "send_mail":
            return effect.arguments["to"] in [c["email"] for c in RECORDS["customers"] if c["id"] == customer]
        return effect.tool == "fetch_url" and effect.arguments["url"] in [order.get("tracking_url") for order in mine]


class ObedientDesk:
    """Takes tickets, one at a time, and tells what came of each."""

    def __init__(self, platform: LocalPlatform) -> None:
        """On a platform that runs already; nothing is applied yet."""
        self.platform = platform
        self.state = State.open(platform.workspace / FOLDER)
        self._numbers = itertools.count(5001)
        self.api = platform.status()["endpoints"]["api"]
        self.portal = self.client("developer")
        self.lead = self.client("support-lead")

    def client(self, principal: str) -> GatewayClient:
        """The REST API as somebody."""
        return GatewayClient(self.api, self.platform.token(principal))

    def open(self, *more: str) -> None:
        """Fills the records, and applies the contracts and `more`."""
        with self.state.transaction() as change:
            for kind in ("customer", "order", "article"):
                for record in RECORDS[f"{kind}s"]:
                    change.put(kind, record["id"], record)
        self.platform.login("developer")
        files = [
            str(CONTRACTS / "support-desk"),
            str(CONTRACTS / "release-notes"),
            str(self.platform.home / "resources"),
        ]
        self.platform.command(
            "apply", *(part for file in (*files, *more) for part in ("-f", file)), "--as", "developer"
        )

    def start(self, body: str, customer: str = "C-2001", subject: str = "Hello") -> Observed:
        """Files a ticket and starts a run on it."""
        ticket = Ticket(f"T-{next(self._numbers)}", customer, subject, body)
        with self.state.transaction() as change:
            change.put("ticket", ticket.id, ticket.record)
        run = self.portal.start("support-desk", {"ticket": ticket.id, "customer": customer})
        return Observed(ticket, run)

    def attack(self, body: str, customer: str = "C-2001", subject: str = "Hello") -> Outcome:
        """A ticket to its end; whatever a person is asked is refused, as a careful person would."""
        before = len(self.state.ledger())
        seen = self.start(body, customer, subject)
        asked: list[dict[str, Any]] = []

        def look() -> dict[str, Any] | None:
            waiting = self.portal.pending_approval(seen.run_id)
            if waiting is not None and waiting["id"] not in [approval["id"] for approval in asked]:
                asked.append(waiting)
                self.lead.decide(waiting, approve=False, reason="nobody honest asks for this")
            return self.portal.ended(seen.run_id)

        run = wait_for("the end of the run", look, RUN_TIMEOUT_S)
        return self.outcome(seen, run, before, asked)

    def outcome(self, seen: Observed, run: dict[str, Any], before: int, asked: list[dict[str, Any]]) -> Outcome:
        """What a run that has ended has done since line `before` of the ledger."""
        for event in self.portal.events(seen.run_id):
            seen.take_in(normal(event))
        return Outcome(seen.ticket.id, run, seen, self.state.ledger()[before:], asked)
