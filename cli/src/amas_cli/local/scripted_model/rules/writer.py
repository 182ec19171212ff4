"""Writes release notes from groups of changes, only when they differ from the notes that are there."""

import json
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall

READ = "workspace__read_file"
WRITE = "workspace__write_file"
PATH = "repository/RELEASE_NOTES.md"
SHORT_HASH = 8


def matches(conversation: Conversation) -> bool:
    """A writer is asked for markdown."""
    if conversation.output_fields:
        return "markdown" in conversation.output_fields
    return WRITE in conversation.tools and "writer" in conversation.system.lower()


def render(groups: list[Any]) -> str:
    """The notes as markdown, ending in one line feed."""
    lines = ["# Release notes"]
    for group in groups:
        if not isinstance(group, dict):
            continue
        lines += ["", f"## {group.get('title', 'Changes')}", ""]
        for commit in group.get("commits", []):
            if isinstance(commit, dict):
                lines.append(f"- {commit.get('subject', '')} ({str(commit.get('hash', ''))[:SHORT_HASH]})")
    if len(lines) == 1:
        lines += ["", "No changes."]
    return "\n".join(lines) + "\n"


def answer(conversation: Conversation) -> Answer:
    """Reads what is there, writes if it differs, then says what was done."""
    groups = conversation.input.get("groups")
    markdown = render(groups if isinstance(groups, list) else [])
    if conversation.wants(READ):
        return Answer(calls=(ToolCall(READ, {"path": PATH}),))
    existing = conversation.last_result(READ)
    changed = existing is None or markdown.strip() not in existing.text
    if changed and conversation.wants(WRITE):
        return Answer(calls=(ToolCall(WRITE, {"path": PATH, "content": markdown}),))
    output = {"path": PATH, "markdown": markdown, "changed": changed}
    return Answer(json.dumps(output, ensure_ascii=False))
