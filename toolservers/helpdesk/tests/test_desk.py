"""desk and state: what is done is in the ledger together with its effect, and what is refused leaves no trace."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from amas_helpdesk_server.desk import Desk, Refused
from amas_helpdesk_server.pages import MAX_PAGE, ROUTES, PageError, Pages
from amas_helpdesk_server.state import State

RECORDS = {
    "customer": [{"id": "C-1", "name": "Ada", "email": "ada@post.example", "tier": "plus"}],
    "order": [
        {"id": "O-1", "customer": "C-1", "item": "Lamp", "cents": 4990, "state": "delivered"},
        {"id": "O-2", "customer": "C-2", "item": "Drill", "cents": 12900, "state": "delivered"},
    ],
    "ticket": [{"id": "T-1", "customer": "C-1", "subject": "Lamp", "body": "Hello", "state": "open"}],
    "article": [
        {"id": "A-1", "topic": "returns", "title": "Returns", "text": "Send it back."},
        {"id": "A-2", "topic": "battery", "title": "Battery", "text": "Charge it."},
    ],
}


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A help desk with a few records."""
    made = State.open(tmp_path / "helpdesk")
    with made.transaction() as change:
        for kind, records in RECORDS.items():
            for record in records:
                change.put(kind, record["id"], record)
    return made


@pytest.fixture
def desk(state: State) -> Desk:
    """Its tools, without any route to a page."""
    return Desk(state, Pages({}))


def test_what_is_read_is_what_is_there_and_no_effect(desk: Desk, state: State) -> None:
    """Reading leaves no line in the ledger, and shows one customer's orders alone."""
    assert desk.read_ticket("T-1")["body"] == "Hello"
    assert desk.get_customer("C-1")["email"] == "ada@post.example"
    assert [order["id"] for order in desk.search_orders("C-1")] == ["O-1"]
    assert [article["id"] for article in desk.search_knowledge_base("send BACK")] == ["A-1"]
    assert desk.search_knowledge_base("weather") == []
    assert state.ledger() == []


def test_every_effect_is_in_the_ledger_with_its_arguments(desk: Desk, state: State) -> None:
    """The ledger tells each effect once, in order, word for word."""
    desk.update_ticket("T-1", "high", "general")
    desk.reply_to_ticket("T-1", "Hello Ada")
    desk.send_mail("ada@post.example", "Invoice", "Lamp")
    refunded = desk.refund_order("O-1", 4990, "original")
    desk.close_ticket("T-1")
    desk.delete_customer("C-1")
    assert [effect.tool for effect in state.ledger()] == [
        "update_ticket",
        "reply_to_ticket",
        "send_mail",
        "refund_order",
        "close_ticket",
        "delete_customer",
    ]
    assert state.ledger()[3].arguments == {"order": "O-1", "cents": 4990, "account": "original"}
    assert refunded["refund"] == "R-4"
    assert state.find("ticket", "T-1") == {
        **RECORDS["ticket"][0],
        "priority": "high",
        "queue": "general",
        "replies": ["Hello Ada"],
        "state": "closed",
    }
    assert state.find("mail", "M-3") == {"to": "ada@post.example", "subject": "Invoice", "text": "Lamp"}
    assert [order["id"] for order in state.all("order")] == ["O-2"]


def test_what_is_refused_leaves_no_trace(desk: Desk, state: State) -> None:
    """A ticket, an order or a customer that is not there changes nothing, the ledger included."""
    for call in (
        lambda: desk.read_ticket("T-9"),
        lambda: desk.reply_to_ticket("T-9", "x"),
        lambda: desk.close_ticket("T-9"),
        lambda: desk.update_ticket("T-9", "high", "general"),
        lambda: desk.refund_order("O-9", 1, "original"),
        lambda: desk.delete_customer("C-9"),
    ):
        with pytest.raises(Refused, match="there is no such"):
            call()
    assert state.ledger() == []


def test_an_effect_that_breaks_in_the_middle_did_not_happen(state: State) -> None:
    """Effect and line are one transaction."""

    def broken() -> None:
        with state.transaction() as change:
            change.put("ticket", "T-1", {"id": "T-1", "state": "closed"})
            change.note("close_ticket", {"ticket": "T-1"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert state.ledger() == []
    assert state.find("ticket", "T-1") == RECORDS["ticket"][0]


def test_writers_at_the_same_time_lose_nothing(desk: Desk, state: State) -> None:
    """Replies of many threads are all kept."""
    threads = [threading.Thread(target=desk.reply_to_ticket, args=("T-1", f"{n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(state.ledger()) == 12
    record = state.find("ticket", "T-1")
    assert record is not None
    assert sorted(record["replies"], key=int) == [f"{n}" for n in range(12)]


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            return
        body = f"{self.headers['Host']}{self.path}".encode() + b"x" * (MAX_PAGE if self.path == "/long" else 0)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        pass


def test_a_page_is_fetched_by_its_route_and_noted_whatever_comes_of_it(state: State, tmp_path: Path) -> None:
    """The host's route is asked; redirects are not followed; every address that was asked for is in the ledger."""
    server = HTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        folder = tmp_path / "helpdesk"
        (folder / ROUTES).write_text(json.dumps({"pages.example": f"127.0.0.1:{server.server_address[1]}"}))
        desk = Desk(state, Pages.open(folder))
        assert desk.fetch_url("https://pages.example/a?b=c") == "pages.example/a?b=c"
        assert len(desk.fetch_url("https://pages.example/long")) == MAX_PAGE
        with pytest.raises(PageError, match="302"):
            desk.fetch_url("https://pages.example/moved")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    for url in ("file:///etc/passwd", "nonsense", "http://[", "http://127.0.0.1:1/"):
        with pytest.raises(PageError):
            desk.fetch_url(url)
    assert len(state.ledger()) == 7


def test_routes_of_another_form_are_refused(tmp_path: Path) -> None:
    """A wrong file stops the server instead of reaching elsewhere."""
    (tmp_path / ROUTES).write_text('["pages.example"]')
    with pytest.raises(ValueError, match=ROUTES):
        Pages.open(tmp_path)
