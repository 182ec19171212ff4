"""A model for flow.yaml that does what it read: it writes where its input says, or where nobody said."""

from __future__ import annotations

import json
from typing import Any

from .graph_model import call, say

INVENTED = "repository/invented.txt"
"""A path that stands in nobody's trusted input."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The next message of the role that the instructions name."""
    messages = request["messages"]
    system, given = str(messages[0]["content"]), json.loads(messages[1]["content"])
    results = [str(message["content"]) for message in messages if message["role"] == "tool"]
    if "task: write" in system:
        text = json.dumps(given["text"])
        return say({"text": text}) if results else call("workspace__write_file", written(INVENTED, text))
    if not results:
        return call("git__git_log", {"repo_path": given["folder"], "max_count": 50})
    if "task: inspect" in system:
        commits = results[0].count("Commit: ")
        return say({"commits": commits, "busy": commits > 3, "folder": given["folder"]})
    if len(results) == 1:
        path = INVENTED if given["path"] == "astray" else given["path"]
        return call("workspace__write_file", written(path, results[0]))
    return say({"text": results[0][:200]})


def written(path: str, content: str) -> dict[str, str]:
    """Arguments of a write."""
    return {"path": path, "content": content}
