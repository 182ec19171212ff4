"""Commits the file that a writer prepared. Where a tool refuses, it says so and claims no commit."""

import json
import re

from amas_cli.local.scripted_model.conversation import Answer, Conversation, ToolCall
from amas_cli.local.scripted_model.rules.historian import GIT_LOG, parse_log

READ = "workspace__read_file"
ADD = "git__git_add"
COMMIT = "git__git_commit"
MESSAGE = "docs: update release notes"

# What a role is told of a call that was begun and whose end nobody saw.
UNKNOWN = "OUTCOME_UNKNOWN"

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
    if result is not None and UNKNOWN in result.text and GIT_LOG in conversation.tools:
        return _look_for_the_commit(conversation, repository)
    found = _HASH.search(result.text) if result is not None else None
    if found is None:
        said = result.text.strip()[:MAX_QUOTE] if result is not None else "the commit tool is not on offer"
        return Answer(f"Nothing was committed: {said}")
    return Answer(json.dumps({"commit": found[1]}))


def _look_for_the_commit(conversation: Conversation, repository: str) -> Answer:
    if conversation.wants(GIT_LOG):
        return Answer(calls=(ToolCall(GIT_LOG, {"repo_path": repository, "max_count": 1}),))
    log = conversation.last_result(GIT_LOG)
    commits = parse_log(log.text) if log is not None else []
    if commits and commits[0]["subject"] == MESSAGE:
        return Answer(json.dumps({"commit": commits[0]["hash"]}))
    return Answer("Nothing was committed: the outcome of the commit was unknown, and the log does not show it.")
