"""Commits the file that a writer prepared. Where a tool refuses, it says so and claims no commit."""

import json
import re

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall

READ = "workspace__read_file"
ADD = "git__git_add"
COMMIT = "git__git_commit"
MESSAGE = "docs: update release notes"

_HASH = re.compile(r"with hash ([0-9a-f]{40,64})")
_MISSING = re.compile(r"not found|no such file|does not exist", re.IGNORECASE)
# An answer that is longer than this is a file, not the sentence that there is none (characters).
MAX_SENTENCE = 400
# A tool's own words are cut here when they are repeated in the answer.
MAX_QUOTE = 300


def matches(conversation: Conversation) -> bool:
    """A publisher is asked for the hash of a commit, or is offered the means to make one."""
    if conversation.output_fields:
        return "commit" in conversation.output_fields
    return COMMIT in conversation.tools


def answer(conversation: Conversation) -> Answer:
    """Looks at the file, stages it, commits it, then names the commit."""
    path = str(conversation.input.get("path", "repository/RELEASE_NOTES.md"))
    repository, _, file = path.partition("/")
    if conversation.wants(READ):
        return Answer(calls=(ToolCall(READ, {"path": path}),))
    read = conversation.last_result(READ)
    if read is not None and len(read.text) < MAX_SENTENCE and _MISSING.search(read.text):
        return Answer(f"Nothing was committed: {path} is not there.")
    if conversation.wants(ADD):
        return Answer(calls=(ToolCall(ADD, {"repo_path": repository, "files": [file or path]}),))
    if conversation.wants(COMMIT):
        return Answer(calls=(ToolCall(COMMIT, {"repo_path": repository, "message": MESSAGE}),))
    result = conversation.last_result(COMMIT)
    found = _HASH.search(result.text) if result is not None else None
    if found is None:
        said = result.text.strip()[:MAX_QUOTE] if result is not None else "the commit tool is not on offer"
        return Answer(f"Nothing was committed: {said}")
    return Answer(json.dumps({"commit": found[1]}))
