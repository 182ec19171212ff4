"""The rules one by one, on conversations made by hand."""

import json
from typing import Any

import pytest
from amas_cli.local.scripted_model.conversation import Conversation, first_object
from amas_cli.local.scripted_model.rules import choose
from amas_cli.local.scripted_model.rules.analyst import group_of
from amas_cli.local.scripted_model.rules.historian import parse_log


def talk(step_input: dict[str, Any], field: str, tools: list[str], *results: tuple[str, str]) -> Conversation:
    messages: list[dict[str, Any]] = [{"role": "user", "content": json.dumps(step_input)}]
    for index, (name, text) in enumerate(results):
        call = {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{index}", "content": text})
    schema = {"type": "object", "properties": {field: {}}}
    return Conversation(
        {
            "messages": messages,
            "tools": [{"type": "function", "function": {"name": name}} for name in tools],
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        }
    )


def answer_of(conversation: Conversation) -> Any:
    return json.loads(choose(conversation).answer(conversation).content)


def call_of(conversation: Conversation) -> tuple[str, dict[str, Any]]:
    (call,) = choose(conversation).answer(conversation).calls
    return call.name, call.arguments


@pytest.mark.parametrize(
    ("subject", "group"),
    [
        ("feat(api): add a route", ("Features", "add a route")),
        ("fix: a leak", ("Fixes", "a leak")),
        ("feat!: drop v1", ("Breaking changes", "drop v1")),
        ("docs: say more", ("Documentation", "say more")),
        ("Add a thing", ("Features", "Add a thing")),
        ("Bump aiohttp", ("Maintenance", "Bump aiohttp")),
        ("v1.2.3", ("Other changes", "v1.2.3")),
        ("", ("Other changes", "")),
    ],
)
def test_commits_are_grouped_by_prefix_then_by_verb(subject: str, group: tuple[str, str]) -> None:
    """A reader finds a change where its author put it."""
    assert group_of(subject) == group


def test_the_analyst_keeps_every_commit_in_reading_order() -> None:
    """No commit is lost, and groups come in a fixed order whatever the log's order."""
    commits = [{"hash": str(i), "subject": s} for i, s in enumerate(["fix: a", "feat: b", "fix: c", "odd"])]
    groups = answer_of(talk({"commits": commits}, "groups", []))["groups"]
    assert [(g["title"], [c["hash"] for c in g["commits"]]) for g in groups] == [
        ("Features", ["1"]),
        ("Fixes", ["0", "2"]),
        ("Other changes", ["3"]),
    ]


GROUPS = [{"title": "Fixes", "commits": [{"hash": "c" * 40, "subject": "a leak"}]}]
WRITER_TOOLS = ["workspace__read_file", "workspace__write_file"]


def test_the_writer_reads_then_writes_then_reports() -> None:
    """Notes that differ from what is there are written once."""
    missing = ("workspace__read_file", "error: not found")
    name, arguments = call_of(talk({"groups": GROUPS}, "markdown", WRITER_TOOLS))
    assert (name, arguments) == ("workspace__read_file", {"path": "repository/RELEASE_NOTES.md"})
    name, arguments = call_of(talk({"groups": GROUPS}, "markdown", WRITER_TOOLS, missing))
    assert name == "workspace__write_file"
    assert arguments["content"] == "# Release notes\n\n## Fixes\n\n- a leak (cccccccc)\n"
    output = answer_of(
        talk({"groups": GROUPS}, "markdown", WRITER_TOOLS, missing, ("workspace__write_file", "written"))
    )
    assert output == {
        "path": "repository/RELEASE_NOTES.md",
        "markdown": arguments["content"],
        "changed": True,
    }


def test_the_writer_leaves_equal_notes_alone() -> None:
    """Nothing is written, and `changed` says so, where the notes are there already."""
    there = ("workspace__read_file", "# Release notes\n\n## Fixes\n\n- a leak (cccccccc)\n")
    assert answer_of(talk({"groups": GROUPS}, "markdown", WRITER_TOOLS, there))["changed"] is False


PUBLISHER_TOOLS = ["workspace__read_file", "git__git_add", "git__git_commit"]
READ_AND_ADDED = (("workspace__read_file", "- one\n- two\n"), ("git__git_add", "Files staged successfully"))


def test_the_publisher_stages_commits_and_names_the_commit() -> None:
    """The hash is the one that the tool told, never made up."""
    step_input = {"path": "repository/RELEASE_NOTES.md"}
    added = call_of(talk(step_input, "commit", PUBLISHER_TOOLS, READ_AND_ADDED[0]))
    assert added == ("git__git_add", {"repo_path": "repository", "files": ["RELEASE_NOTES.md"]})
    committed = call_of(talk(step_input, "commit", PUBLISHER_TOOLS, *READ_AND_ADDED))
    assert committed == (
        "git__git_commit",
        {"repo_path": "repository", "message": "docs: release notes of 2 changes"},
    )
    told = ("git__git_commit", f"Changes committed successfully with hash {'d' * 40}")
    assert answer_of(talk(step_input, "commit", PUBLISHER_TOOLS, *READ_AND_ADDED, told)) == {"commit": "d" * 40}


def test_the_publisher_says_so_when_it_was_refused() -> None:
    """A denied commit is told as such: no hash is claimed."""
    denied = ("git__git_commit", "denied: APPROVAL_REJECTED")
    conversation = talk({"path": "repository/R.md"}, "commit", PUBLISHER_TOOLS, *READ_AND_ADDED, denied)
    said = choose(conversation).answer(conversation)
    assert said.content == "Nothing was committed: denied: APPROVAL_REJECTED"
    assert said.calls == ()


def test_a_log_that_was_quoted_as_json_is_read_too() -> None:
    """A caller may hand the tool's text on as it is or inside JSON."""
    log = f'Commit history:\nCommit: {"e" * 40}\nAuthor: a\nDate: d\nMessage: Say "hello"\n\n'
    assert parse_log(json.dumps({"content": [{"text": log}]})) == parse_log(log)
    assert parse_log(log)[0]["subject"] == 'Say "hello"'


def test_a_message_that_imitates_a_commit_makes_no_second_one() -> None:
    """Only the log's own form begins a commit: a message that quotes one line of it does not."""
    log = f"Commit: {'e' * 40}\nAuthor: a\nDate: d\nMessage: Subject\n\nCommit: nothing here\n\n"
    assert len(parse_log(log)) == 1


@pytest.mark.parametrize("text", ["", "no json", "{" * 200, "[1, 2]", '{"a": '])
def test_texts_without_an_object_have_none(text: str) -> None:
    """Odd inputs are no error and take bounded time."""
    assert first_object(text) is None


def test_an_input_is_found_inside_a_sentence() -> None:
    """The step's input may be wrapped in words and braces."""
    assert first_object('Do {this} with ```json\n{"path": "a{b}"}\n``` please') == {"path": "a{b}"}


def test_other_conversations_get_an_answer_of_the_wanted_shape() -> None:
    """An unknown role is answered from its schema and its input, without tools."""
    schema = {
        "type": "object",
        "properties": {"greeting": {"type": "string"}, "count": {"type": "integer"}, "kind": {"enum": ["x"]}},
    }
    conversation = Conversation(
        {
            "messages": [{"role": "user", "content": '{"count": 3}'}],
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        }
    )
    assert answer_of(conversation) == {"greeting": '{"count": 3}', "count": 3, "kind": "x"}


@pytest.mark.parametrize("body", [{}, {"messages": None}, {"messages": [1, {"role": 5, "content": [None]}]}])
def test_odd_conversations_are_answered(body: dict[str, Any]) -> None:
    """A model lives with whatever it is told."""
    conversation = Conversation(body)
    assert choose(conversation).answer(conversation).content
