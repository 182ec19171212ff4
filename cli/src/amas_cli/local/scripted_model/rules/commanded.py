"""Calls the tools that the user names, so that clients can hold a conversation with tools whose turns are known.

The user writes a line for each call, `call NAME {"argument": "value"}`; all lines of one message are called at once.
"""

import re
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall, first_object

_COMMAND = re.compile(r"^call (?P<name>[A-Za-z0-9_-]{1,64})(?P<arguments>[^\n]*)$", re.MULTILINE)


def matches(conversation: Conversation) -> bool:
    """The user's last words command a tool that is on offer."""
    return bool(_commands(conversation))


def answer(conversation: Conversation) -> Answer:
    """First the calls, then what they gave."""
    commands = _commands(conversation)
    results = conversation.results_since_user
    if not results:
        return Answer(calls=tuple(ToolCall(name, arguments) for name, arguments in commands))
    return Answer("The tools said: " + "; ".join(f"{result.name}: {result.text}" for result in results))


def _commands(conversation: Conversation) -> list[tuple[str, dict[str, Any]]]:
    said = conversation.user_texts[-1] if conversation.user_texts and conversation.tools else ""
    return [
        (match["name"], first_object(match["arguments"]) or {})
        for match in _COMMAND.finditer(said)
        if match["name"] in conversation.tools
    ]
