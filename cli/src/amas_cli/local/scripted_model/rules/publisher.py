"""Commits the file that a writer prepared. Where a tool refuses, it says so and claims no commit."""

import json
import re

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall

READ = "workspace__read_file"
ADD = "git__git_add"
COMMIT = "git__git_commit"

_HASH = re.compile(r"with hash ([0-9a-f]{40,64})")
_CHANGE = re.compile(r"^- ", re.MULTILINE)
# A tool's own words are cut here when they are repeated in the answer.
MAX_QUOTE = 300


def matches(conversation: Conversation) -> bool:
    """A publisher is asked for the hash of a commit, and is offered the means to make one."""
    if conversation.output_fields:
        return "commit" in conversation.output_fields
    return COMMIT in conversation.tools and "publisher" in conversation.system.lower()


def answer(conversation: Conversation) -> Answer:
    """Looks at the file, stages it, commits it, then names the commit."""
    path = str(conversation.input.get("path", "repository/RELEASE_NOTES.md"))
    folder, _, file = path.partition("/")
    repository = str(conversation.input.get("repository") or folder)
    if conversation.wants(READ):
        return Answer(calls=(ToolCall(READ, {"path": path}),))
    if conversation.wants(ADD):
        return Answer(calls=(ToolCall(ADD, {"repo_path": repository, "files": [file or path]}),))
    if conversation.wants(COMMIT):
        return Answer(calls=(ToolCall(COMMIT, {"repo_path": repository, "message": _message(conversation)}),))
    result = conversation.last_result(COMMIT)
    found = _HASH.search(result.text) if result is not None else None
    if found is None:
        said = result.text.strip()[:MAX_QUOTE] if result is not None else "the commit tool is not on offer"
        return Answer(f"Nothing was committed: {said}")
    return Answer(json.dumps({"commit": found[1]}))


def _message(conversation: Conversation) -> str:
    read = conversation.last_result(READ)
    changes = len(_CHANGE.findall(read.text)) if read is not None else 0
    if changes == 0:
        return "docs: release notes"
    return f"docs: release notes of {changes} change{'' if changes == 1 else 's'}"
