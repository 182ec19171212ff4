"""Writes release notes from groups of changes: reads what is there, writes, tells whether that changed anything."""

import json
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall, first_object

READ = "workspace__read_file"
WRITE = "workspace__write_file"
PATH = "repository/RELEASE_NOTES.md"


def matches(conversation: Conversation) -> bool:
    """A writer is asked for markdown."""
    if conversation.output_fields:
        return "markdown" in conversation.output_fields
    return WRITE in conversation.tools


def render(groups: list[Any]) -> str:
    """The notes as markdown, ending in one line feed."""
    lines = ["# Release notes"]
    for group in groups:
        if isinstance(group, dict):
            items = group.get("items")
            lines += ["", f"## {group.get('title', 'Changes')}", ""]
            lines += [f"- {item}" for item in (items if isinstance(items, list) else [])]
    if len(lines) == 1:
        lines += ["", "No changes."]
    return "\n".join(lines) + "\n"


def answer(conversation: Conversation) -> Answer:
    """Reads what is there where it may, writes, then says what was done."""
    groups = conversation.input.get("groups")
    markdown = render(groups if isinstance(groups, list) else [])
    if conversation.wants(READ):
        return Answer(calls=(ToolCall(READ, {"path": PATH}),))
    if conversation.wants(WRITE):
        return Answer(calls=(ToolCall(WRITE, {"path": PATH, "content": markdown}),))
    output = {"path": PATH, "markdown": markdown, "changed": _changed(conversation, markdown)}
    return Answer(json.dumps(output, ensure_ascii=False))


def _changed(conversation: Conversation, markdown: str) -> bool:
    """Whether the text differs from what was read before the write; unread, what the write said.

    What was read is on the record before the write begins. The write's own word is not to be had again: a write that is
    repeated after a crash finds its own text and says that nothing changed.
    """
    read = conversation.last_result(READ)
    if read is not None:
        return markdown.strip() not in read.text
    written = conversation.last_result(WRITE)
    said = (first_object(written.text) or {}).get("changed") if written is not None else None
    return said if isinstance(said, bool) else True
