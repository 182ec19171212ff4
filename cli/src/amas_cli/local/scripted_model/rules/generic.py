"""Answers every other conversation: with an echo, or with the smallest value that the wanted schema allows."""

import json
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation

# Deeper than this a schema is answered with null: it may refer to itself.
MAX_DEPTH = 8


def matches(conversation: Conversation) -> bool:
    """Everything."""
    return True


def answer(conversation: Conversation) -> Answer:
    """Echoes what the user said last; depends on nothing else."""
    said = conversation.user_texts[-1] if conversation.user_texts else ""
    if conversation.schema:
        value = _fill(conversation.schema, said, conversation.input, 0)
        return Answer(json.dumps(value, ensure_ascii=False))
    return Answer(f"You said: {said}")


def _fill(schema: Any, said: str, known: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return None
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties")
        fields = properties if isinstance(properties, dict) else {}
        return {
            name: known[name] if name in known else _fill(inner, said, known, depth + 1)
            for name, inner in fields.items()
        }
    return _smallest(kind, said)


def _smallest(kind: object, said: str) -> Any:
    simple: dict[object, Any] = {"string": said, "integer": 0, "number": 0, "boolean": False, "array": []}
    return simple.get(kind)
