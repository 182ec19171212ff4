"""What the agents of the help desk have in common: a plan of calls, made one after the other, each once."""

from collections.abc import Iterable
from typing import Any

from amas_cli.local.scripted_model.conversation import Conversation, ToolCall

# What an agent words anew at each look; two calls that differ in nothing else are one.
_WORDING = frozenset({"text"})


def next_call(conversation: Conversation, plan: Iterable[ToolCall]) -> ToolCall | None:
    """The first call of the plan that was not made yet and that is on offer."""
    made = [(call.name, _identity(call.arguments)) for call in conversation.calls]
    for call in plan:
        if call.name in conversation.tools and (call.name, _identity(call.arguments)) not in made:
            return call
    return None


def records(value: object) -> list[dict[str, Any]]:
    """The objects in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _identity(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in _WORDING}
