"""Sorts commits into the groups of the role's contract: by conventional-commit prefix, else by the words."""

import json
import re
from typing import Any

from amas_cli.local.scripted_model.conversation import Answer, Conversation

_CONVENTIONAL = re.compile(r"^(?P<type>[a-z]+)(\([^)]*\))?!?:\s*(?P<rest>.+)$", re.IGNORECASE)
_SECURITY = re.compile(r"\b(security|vulnerabilit(y|ies)|cve-\d{4}-\d+)\b", re.IGNORECASE)

OTHER = "Other changes"
SECURITY = "Security"
# The titles in the order of the contract, each with the prefixes and the first words that name it.
GROUPS: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    (
        "Features",
        frozenset({"feat", "feature"}),
        frozenset({"add", "adds", "allow", "build", "create", "implement", "introduce", "let", "support"}),
    ),
    (
        "Fixes",
        frozenset({"bugfix", "fix", "hotfix", "revert"}),
        frozenset({"avoid", "correct", "fix", "fixes", "handle", "prevent", "repair", "restore", "revert"}),
    ),
    (SECURITY, frozenset({"sec", "security"}), frozenset({"harden", "secure"})),
    (
        "Performance",
        frozenset({"perf"}),
        frozenset({"accelerate", "cache", "optimise", "optimize", "speed"}),
    ),
    (
        "Documentation",
        frozenset({"doc", "docs"}),
        frozenset({"describe", "document", "explain"}),
    ),
    (OTHER, frozenset({"build", "chore", "ci", "deps", "refactor", "style", "test", "tests"}), frozenset()),
)
SHORT_HASH = 7


def matches(conversation: Conversation) -> bool:
    """An analyst is asked for groups."""
    if conversation.output_fields:
        return "groups" in conversation.output_fields
    return "commits" in conversation.input


def group_of(subject: str) -> tuple[str, str]:
    """The group's title, and the subject without its prefix."""
    match = _CONVENTIONAL.match(subject)
    if match is not None:
        for title, prefixes, _ in GROUPS:
            if match["type"].lower() in prefixes:
                return title, match["rest"]
    if _SECURITY.search(subject):
        return SECURITY, subject
    words = re.findall(r"[a-z]+", subject.lower())
    verb = words[0] if words else ""
    for title, _, verbs in GROUPS:
        if verb in verbs:
            return title, subject
    return OTHER, subject


def sort_commits(commits: list[Any]) -> list[dict[str, Any]]:
    """Groups that hold something; within a group commits keep the order of the log."""
    sorted_into: dict[str, list[str]] = {title: [] for title, _, _ in GROUPS}
    for commit in commits:
        if isinstance(commit, dict):
            title, subject = group_of(str(commit.get("subject", "")))
            short = str(commit.get("hash", ""))[:SHORT_HASH]
            sorted_into[title].append(f"{subject} ({short})".strip())
    return [{"title": title, "items": items} for title, items in sorted_into.items() if items]


def answer(conversation: Conversation) -> Answer:
    """The groups, from the commits of the input."""
    commits = conversation.input.get("commits")
    groups = sort_commits(commits if isinstance(commits, list) else [])
    return Answer(json.dumps({"groups": groups}, ensure_ascii=False))
