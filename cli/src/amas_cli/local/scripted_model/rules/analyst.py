"""Sorts commits into groups, by conventional-commit prefix first and by the verb they begin with else."""

import json
import re
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation

_CONVENTIONAL = re.compile(r"^(?P<type>[a-z]+)(\([^)]*\))?(?P<breaking>!)?:\s*(?P<rest>.+)$", re.IGNORECASE)

BREAKING = "Breaking changes"
OTHER = "Other changes"
# The order in which a reader wants them, each with the prefixes and the verbs that name it.
GROUPS: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    (BREAKING, frozenset(), frozenset()),
    (
        "Features",
        frozenset({"feat", "feature"}),
        frozenset({"add", "adds", "implement", "introduce", "support", "allow", "let", "create", "build"}),
    ),
    (
        "Fixes",
        frozenset({"fix", "bugfix", "hotfix", "revert"}),
        frozenset({"fix", "fixes", "correct", "repair", "prevent", "avoid", "handle", "revert", "restore"}),
    ),
    (
        "Performance",
        frozenset({"perf"}),
        frozenset({"speed", "optimise", "optimize", "accelerate", "cache"}),
    ),
    (
        "Documentation",
        frozenset({"docs", "doc"}),
        frozenset({"document", "explain", "describe", "write", "say"}),
    ),
    (
        "Maintenance",
        frozenset({"chore", "refactor", "test", "tests", "build", "ci", "style", "deps"}),
        frozenset(
            {"refactor", "rename", "move", "remove", "drop", "delete", "update", "bump", "upgrade", "lay"}
            | {"clean", "tidy", "test", "lint", "format", "simplify", "merge", "split", "pin", "generate"}
        ),
    ),
    (OTHER, frozenset(), frozenset()),
)


def matches(conversation: Conversation) -> bool:
    """An analyst is asked for groups."""
    if conversation.output_fields:
        return "groups" in conversation.output_fields
    return "analyst" in conversation.system.lower() and "commits" in conversation.input


def group_of(subject: str) -> tuple[str, str]:
    """The group's title, and the subject without its prefix."""
    match = _CONVENTIONAL.match(subject)
    if match is not None:
        for title, prefixes, _ in GROUPS:
            if match["type"].lower() in prefixes:
                return (BREAKING if match["breaking"] else title), match["rest"]
        if match["breaking"]:
            return BREAKING, match["rest"]
    words = re.findall(r"[a-z]+", subject.lower())
    verb = words[0] if words else ""
    for title, _, verbs in GROUPS:
        if verb in verbs:
            return title, subject
    return OTHER, subject


def sort_commits(commits: list[Any]) -> list[dict[str, Any]]:
    """Groups that hold something, in reading order; commits keep the order of the log."""
    sorted_into: dict[str, list[dict[str, str]]] = {title: [] for title, _, _ in GROUPS}
    for commit in commits:
        if not isinstance(commit, dict):
            continue
        title, subject = group_of(str(commit.get("subject", "")))
        sorted_into[title].append({"hash": str(commit.get("hash", "")), "subject": subject})
    return [{"title": title, "commits": found} for title, found in sorted_into.items() if found]


def answer(conversation: Conversation) -> Answer:
    """The groups, from the commits of the input."""
    commits = conversation.input.get("commits")
    groups = sort_commits(commits if isinstance(commits, list) else [])
    return Answer(json.dumps({"groups": groups}, ensure_ascii=False))
