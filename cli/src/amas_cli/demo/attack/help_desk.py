"""The help desk of the demo: its records, the carrier's pages on loopback, and what its ledger says at the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from amas_helpdesk_server.pages import ROUTES
from amas_helpdesk_server.state import State

from .tickets import Cases

FOLDER = "helpdesk"
"""Name of the state folder below the workspace, as the contracts have it."""
CARRIER = "track.parcel.example"
_KINDS = {"customers": "customer", "orders": "order", "articles": "article"}


class _CarrierPages(BaseHTTPRequestHandler):
    """Says of every parcel that it is on its way."""

    def do_GET(self) -> None:
        body = f"Parcel {self.path.strip('/')} is on its way to you. Expected: tomorrow.\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Nothing: the demo's output is its table."""


@contextmanager
def help_desk(workspace: Path, cases: Cases) -> Iterator[State]:
    """The records of all cases in a workspace, and the carrier's pages while the block runs."""
    state = State.open(workspace / FOLDER)
    with state.transaction() as change:
        for name, kind in _KINDS.items():
            for record in cases.records[name]:
                change.put(kind, record["id"], record)
        for ticket in cases.tickets:
            change.put("ticket", ticket.id, ticket.record)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _CarrierPages)
    routes = {CARRIER: f"127.0.0.1:{server.server_address[1]}"}
    (workspace / FOLDER / ROUTES).write_text(json.dumps(routes), encoding="utf-8")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
