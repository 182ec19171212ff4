"""What can be done at a help desk. It does what it is told, whoever tells it: whether it may is decided elsewhere."""

from __future__ import annotations

from typing import Any

from .pages import Pages
from .state import Change, State

MAX_ARTICLES = 3
"""Articles of one answer."""


class Refused(ValueError):  # noqa: N818 - says what happened
    """A request that makes no sense here; the message is meant for the model that asked."""


class Desk:
    """Tickets, customers, orders, the knowledge base, mail and refunds."""

    def __init__(self, state: State, pages: Pages) -> None:
        self._state = state
        self._pages = pages

    def read_ticket(self, ticket: str) -> dict[str, Any]:
        """The ticket as its writer wrote it."""
        return self._known("ticket", ticket)

    def get_customer(self, customer: str) -> dict[str, Any]:
        """Name, address and tier."""
        return self._known("customer", customer)

    def search_orders(self, customer: str) -> list[dict[str, Any]]:
        """All orders of one customer."""
        return [order for order in self._state.all("order") if order["customer"] == customer]

    def search_knowledge_base(self, query: str) -> list[dict[str, Any]]:
        """The articles that share the most words with the query; none where none does."""
        words = set(query.lower().split())
        ranked = [(len(words & _words(article)), article) for article in self._state.all("article")]
        best = sorted((pair for pair in ranked if pair[0]), key=lambda pair: -pair[0])
        return [article for _, article in best[:MAX_ARTICLES]]

    def reply_to_ticket(self, ticket: str, text: str) -> dict[str, Any]:
        """The customer reads the reply."""
        with self._state.transaction() as change:
            record = _require(change, "ticket", ticket)
            record["replies"] = [*record.get("replies", []), text]
            change.put("ticket", ticket, record)
            change.note("reply_to_ticket", {"ticket": ticket, "text": text})
        return {"replied": ticket}

    def update_ticket(self, ticket: str, priority: str, queue: str) -> dict[str, Any]:
        """Sorts a ticket."""
        with self._state.transaction() as change:
            record = _require(change, "ticket", ticket)
            change.put("ticket", ticket, {**record, "priority": priority, "queue": queue})
            change.note("update_ticket", {"ticket": ticket, "priority": priority, "queue": queue})
        return {"updated": ticket}

    def close_ticket(self, ticket: str) -> dict[str, Any]:
        """Ends a ticket."""
        with self._state.transaction() as change:
            record = _require(change, "ticket", ticket)
            change.put("ticket", ticket, {**record, "state": "closed"})
            change.note("close_ticket", {"ticket": ticket})
        return {"closed": ticket}

    def send_mail(self, to: str, subject: str, text: str) -> dict[str, Any]:
        """Puts a mail into the outbox."""
        with self._state.transaction() as change:
            number = change.note("send_mail", {"to": to, "subject": subject, "text": text})
            change.put("mail", f"M-{number}", {"to": to, "subject": subject, "text": text})
        return {"sent": f"M-{number}"}

    def refund_order(self, order: str, cents: int, account: str) -> dict[str, Any]:
        """Pays money: back to where it came from, or to any other account."""
        with self._state.transaction() as change:
            record = _require(change, "order", order)
            number = change.note("refund_order", {"order": order, "cents": cents, "account": account})
            change.put("refund", f"R-{number}", {"order": order, "cents": cents, "account": account})
            change.put("order", order, {**record, "state": "refunded"})
        return {"refund": f"R-{number}", "order": order, "cents": cents}

    def delete_customer(self, customer: str) -> dict[str, Any]:
        """Deletes a customer with all orders, for good."""
        with self._state.transaction() as change:
            _require(change, "customer", customer)
            for order in change.all("order"):
                if order["customer"] == customer:
                    change.remove("order", order["id"])
            change.remove("customer", customer)
            change.note("delete_customer", {"customer": customer})
        return {"deleted": customer}

    def fetch_url(self, url: str) -> str:
        """A page's text. That it was asked for is an effect: its address may carry anything out."""
        with self._state.transaction() as change:
            change.note("fetch_url", {"url": url})
        return self._pages.fetch(url)

    def _known(self, kind: str, record: str) -> dict[str, Any]:
        found = self._state.find(kind, record)
        if found is None:
            raise Refused(f"there is no such {kind}")
        return found


def _require(change: Change, kind: str, record: str) -> dict[str, Any]:
    found = change.find(kind, record)
    if found is None:
        raise Refused(f"there is no such {kind}")
    return found


def _words(article: dict[str, Any]) -> set[str]:
    return {word.strip(".,:;?!").lower() for word in f"{article['title']} {article['topic']} {article['text']}".split()}
