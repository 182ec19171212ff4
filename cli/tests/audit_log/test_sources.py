"""Reading a log over HTTP: what is cut is no part, and what is too long is nobody's answer but its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from amas_cli.audit_log import sources
from amas_cli.audit_log.sources import HttpSource, SourceError


@contextmanager
def server(answer: Callable[[str], bytes]) -> Iterator[str]:
    """Answers each request of each connection with these bytes, and hangs up where they are empty."""
    listening = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as heard:
            while line := heard.readline():
                while heard.readline().strip():
                    continue
                said = answer(line.split()[1].decode())
                connection.sendall(said)
                if b"cut" in said:
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_an_answer_that_the_network_cuts_is_no_answer() -> None:
    """Else an outage would pass for a log that was tampered with."""
    with server(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut") as url:
        source = HttpSource(url)
        with pytest.raises(SourceError) as failed:
            source.read("checkpoint")
        source.close()
        assert "does not answer" in str(failed.value)


def test_what_is_too_long_is_seen_so_and_leaves_nothing_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever verifies gets a byte more than any part has; the next answer is the next part's."""
    monkeypatch.setattr(sources, "MAX_PART_BYTES", 10)
    with server(lambda path: whole(b"x" * 1000) if path == "/long" else whole(path.encode())) as url:
        source = HttpSource(url)
        assert source.read("long") == b"x" * 11
        assert source.read("next") == b"/next"
        source.close()
