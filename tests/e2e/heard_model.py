"""A provider of the OpenAI API that remembers what it was told, and whose answers follow from the user's last words.

`burn 500` reports 500 tokens of output; `drip` streams without an end until its client leaves; all else is an echo,
streamed in pieces of a few characters, so that whatever is looked for in it is cut.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 5
# Seconds between the pieces of a drip, and how many there are at most, so that a lost test ends.
DRIP_SECONDS = 0.02
MAX_DRIPS = 3000
PROMPT_TOKENS = 10
OUTPUT_TOKENS = 5


class HeardModel(ThreadingHTTPServer):
    """One provider on a free port of loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[dict[str, Any]] = []
        self.left = threading.Event()

    @property
    def url(self) -> str:
        """Base URL, up to and with `/v1`."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def times(self, words: str) -> int:
        """How many requests said these words."""
        return sum(words in json.dumps(body) for body in list(self.heard))


@contextmanager
def serving() -> Iterator[HeardModel]:
    """A model that answers until the block ends."""
    with HeardModel() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    """POST /v1/chat/completions and /v1/embeddings."""

    server: HeardModel

    def do_POST(self) -> None:
        """Answers one request."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.heard.append(body)
        if self.path.endswith("/embeddings"):
            vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}
            self._whole({"object": "list", "data": [vector], "usage": {"prompt_tokens": 3, "total_tokens": 3}})
            return
        said = str(body["messages"][-1]["content"])
        if body.get("stream"):
            self._stream(said)
        else:
            message = {"role": "assistant", "content": said}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._whole({"object": "chat.completion", "choices": [choice], "usage": _usage(said)})

    def _whole(self, answer: dict[str, Any]) -> None:
        body = json.dumps({"id": "c", "created": 0, "model": "heard", **answer}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, said: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        if said.startswith("drip"):
            self._drip()
            return
        self._event({"role": "assistant", "content": ""})
        for start in range(0, len(said), PIECE):
            self._event({"content": said[start : start + PIECE]})
        self._event({}, "stop")
        self._line({**_CHUNK, "choices": [], "usage": _usage(said)})
        self.wfile.write(b"data: [DONE]\n\n")

    def _drip(self) -> None:
        pause = threading.Event()
        try:
            for _ in range(MAX_DRIPS):
                self._event({"content": "drop "})
                pause.wait(DRIP_SECONDS)
        except OSError:
            self.server.left.set()

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> None:
        self._line({**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _line(self, value: object) -> None:
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """A test's model keeps quiet."""


_CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "heard"}


def _usage(said: str) -> dict[str, int]:
    burnt = re.search(r"\bburn (\d+)", said)
    output = int(burnt[1]) if burnt else OUTPUT_TOKENS
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": output, "total_tokens": PROMPT_TOKENS + output}
