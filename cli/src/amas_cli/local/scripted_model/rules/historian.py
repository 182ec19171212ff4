"""Reads a repository's history: asks for the log, then turns its text into a list of commits."""

import json
import re
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall

GIT_LOG = "git__git_log"
MAX_COMMITS = 50
# Longest texts that the role's contract lets through (characters).
MAX_TEXT = 200
MAX_DATE = 64

# The form in which mcp-server-git's git_log tells a commit; a message may have several lines.
_COMMIT = re.compile(
    r"^Commit: (?P<hash>[0-9a-f]{40,64})\nAuthor: (?P<author>[^\n]*)\nDate: (?P<date>[^\n]*)\n"
    r"Message: (?P<message>.*?)(?=\n+Commit: [0-9a-f]{40,64}\nAuthor: |\Z)",
    re.DOTALL | re.MULTILINE,
)


def matches(conversation: Conversation) -> bool:
    """A historian is asked for commits, or is offered the log and called by its name."""
    if conversation.output_fields:
        return "commits" in conversation.output_fields
    return GIT_LOG in conversation.tools and "historian" in conversation.system.lower()


def parse_log(text: str) -> list[dict[str, str]]:
    """Commits in the order of the log. Text that is JSON-quoted is unquoted first."""
    return [
        {
            "hash": match["hash"],
            "date": match["date"].strip()[:MAX_DATE],
            "author": match["author"].strip()[:MAX_TEXT],
            "subject": match["message"].strip().split("\n", 1)[0].strip()[:MAX_TEXT],
        }
        for match in _COMMIT.finditer(_plain(text))
    ]


def answer(conversation: Conversation) -> Answer:
    """First the call, then what it gave."""
    if conversation.wants(GIT_LOG):
        return Answer(calls=(ToolCall(GIT_LOG, _arguments(conversation.input)),))
    result = conversation.last_result(GIT_LOG)
    commits = parse_log(result.text) if result is not None else []
    return Answer(json.dumps({"commits": commits[:MAX_COMMITS]}, ensure_ascii=False))


def _arguments(step_input: dict[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "repo_path": str(step_input.get("repository", "repository")),
        "max_count": MAX_COMMITS,
    }
    since = step_input.get("since")
    if isinstance(since, str) and since.strip():
        arguments["start_timestamp"] = since
    return arguments


def _plain(text: str) -> str:
    """The text itself where a caller passed on JSON: a string, or parts with `text`."""
    if "\\nAuthor: " not in text:
        return text.replace("\r\n", "\n")
    try:
        return "\n".join(_strings(json.loads(text)))
    except (ValueError, RecursionError):
        return text.replace("\\n", "\n")


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return []
