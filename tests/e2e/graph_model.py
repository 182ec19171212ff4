"""A model that does the tasks of graphs.yaml, behind the OpenAI API: the brain of one test, and a process boundary."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Brain = Callable[[dict[str, Any]], dict[str, Any]]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The message that a good model would give: a tool call first where the task needs one, then the output."""
    messages = request["messages"]
    system, given = str(messages[0]["content"]), json.loads(messages[1]["content"])
    results = [str(message["content"]) for message in messages if message["role"] == "tool"]
    if "task: split" in system:
        return say({"words": given["text"].split()})
    if "task: shout" in system:
        return say({"loud": given["word"].upper()})
    if "task: count" in system:
        if not results:
            return call("git__git_log", {"repo_path": given["repository"], "max_count": 50})
        return say({"count": results[0].count("Commit: ")})
    if not results:
        return call("delegate__reader", given)
    return say({"count": json.loads(results[0])["count"]}) if "count" in results[0] else say({"refused": results[0]})


def say(output: object) -> dict[str, Any]:
    """A final answer."""
    return {"role": "assistant", "content": json.dumps(output)}


def call(name: str, arguments: object) -> dict[str, Any]:
    """A tool call."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c0", "type": "function", "function": function}],
    }


class Handler(BaseHTTPRequestHandler):
    """POST /v1/chat/completions."""

    brain = staticmethod(answer)

    def do_POST(self) -> None:
        """Answers one completion."""
        message = self.brain(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        body = json.dumps(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 0,
                "model": "graph",
                "choices": [{"index": 0, "message": message, "finish_reason": reason}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A test's model keeps quiet."""


@contextmanager
def serve(brain: Brain = answer) -> Iterator[str]:
    """The model, or another brain in its place, on a free port of loopback; answers its base URL."""
    handler = type("BrainHandler", (Handler,), {"brain": staticmethod(brain)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
