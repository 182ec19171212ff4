"""The rules one by one, on conversations made by hand."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from amas_cli.local.scripted_model.conversation import Conversation, first_object
from amas_cli.local.scripted_model.rules import choose
from amas_cli.local.scripted_model.rules.analyst import group_of
from amas_cli.local.scripted_model.rules.historian import parse_log
from ruamel.yaml import YAML


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
        ("feat!: drop v1", ("Features", "drop v1")),
        ("fix: a leak", ("Fixes", "a leak")),
        ("docs: say more", ("Documentation", "say more")),
        ("chore: add a lock", ("Other changes", "add a lock")),
        ("Add a thing", ("Features", "Add a thing")),
        ("Upgrade because of CVE-2026-12345", ("Security", "Upgrade because of CVE-2026-12345")),
        ("v1.2.3", ("Other changes", "v1.2.3")),
        ("", ("Other changes", "")),
    ],
)
def test_commits_are_grouped_by_prefix_then_by_words(subject: str, group: tuple[str, str]) -> None:
    """A reader finds a change where its author put it."""
    assert group_of(subject) == group


def test_the_analyst_keeps_every_commit_in_reading_order() -> None:
    """No commit is lost, and groups come in a fixed order whatever the log's order."""
    commits = [{"hash": str(i) * 40, "subject": s} for i, s in enumerate(["fix: a", "feat: b", "fix: c", "odd"])]
    assert answer_of(talk({"commits": commits}, "groups", []))["groups"] == [
        {"title": "Features", "items": ["b (1111111)"]},
        {"title": "Fixes", "items": ["a (0000000)", "c (2222222)"]},
        {"title": "Other changes", "items": ["odd (3333333)"]},
    ]


GROUPS = [{"title": "Fixes", "items": ["a leak (ccccccc)"]}]
NOTES = "# Release notes\n\n## Fixes\n\n- a leak (ccccccc)\n"
WRITER_TOOLS = ["workspace__read_file", "workspace__write_file"]


def test_the_writer_reads_then_writes_then_reports() -> None:
    """Notes are written once, and new notes are a change."""
    missing = ("workspace__read_file", "error: not found")
    name, arguments = call_of(talk({"groups": GROUPS}, "markdown", WRITER_TOOLS))
    assert (name, arguments) == ("workspace__read_file", {"path": "repository/RELEASE_NOTES.md"})
    name, arguments = call_of(talk({"groups": GROUPS}, "markdown", WRITER_TOOLS, missing))
    assert (name, arguments["content"]) == ("workspace__write_file", NOTES)
    wrote = ("workspace__write_file", json.dumps({"bytes": 9, "changed": True}))
    output = answer_of(talk({"groups": GROUPS}, "markdown", WRITER_TOOLS, missing, wrote))
    assert output == {"path": "repository/RELEASE_NOTES.md", "markdown": NOTES, "changed": True}


@pytest.mark.parametrize(("read", "changed"), [("error: not found", True), ("# Old notes", True), (NOTES, False)])
def test_a_write_that_was_repeated_after_a_crash_is_still_a_change(read: str, changed: bool) -> None:
    """I4: a second try finds the first one's text; what was read before decides whether there is work to commit."""
    before, wrote = ("workspace__read_file", read), ("workspace__write_file", json.dumps({"changed": False}))
    assert answer_of(talk({"groups": GROUPS}, "markdown", WRITER_TOOLS, before, wrote))["changed"] is changed


@pytest.mark.parametrize("said", [True, False])
def test_a_writer_that_may_not_read_goes_by_what_the_write_said(said: bool) -> None:
    """Without the means to look there is only the tool's word."""
    wrote = ("workspace__write_file", json.dumps({"changed": said}))
    assert answer_of(talk({"groups": GROUPS}, "markdown", WRITER_TOOLS[1:], wrote))["changed"] is said


def test_notes_without_groups_say_that_nothing_changed() -> None:
    """An empty history gives a whole file all the same."""
    name, arguments = call_of(talk({"groups": []}, "markdown", ["workspace__write_file"]))
    assert (name, arguments["content"]) == ("workspace__write_file", "# Release notes\n\nNo changes.\n")


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
        {"repo_path": "repository", "message": "docs: update release notes"},
    )
    told = ("git__git_commit", f"Changes committed successfully with hash {'d' * 40}")
    assert answer_of(talk(step_input, "commit", PUBLISHER_TOOLS, *READ_AND_ADDED, told)) == {"commit": "d" * 40}


def test_the_publisher_stops_when_there_is_no_file() -> None:
    """What is not there is not committed."""
    missing = ("workspace__read_file", "error: repository/RELEASE_NOTES.md does not exist")
    conversation = talk({"path": "repository/RELEASE_NOTES.md"}, "commit", PUBLISHER_TOOLS, missing)
    said = choose(conversation).answer(conversation)
    assert said.calls == ()
    assert said.content.startswith("Nothing was committed")


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


def test_answers_satisfy_the_contracts_of_the_release_notes_roles() -> None:
    """The scripted model's outputs pass the very schemas that the platform holds them to."""
    folder = Path(__file__).parents[3] / "policies" / "contracts" / "release-notes"
    schemas = {}
    for name in ("historian", "analyst", "writer", "publisher"):
        document = YAML(typ="safe").load((folder / f"{name}.yaml").read_text())
        schemas[name] = document["spec"]["output"]["schema"]
    log = f"Commit: {'e' * 40}\nAuthor: a\nDate: 2026-01-01\nMessage: feat: {'long ' * 90}\n\n"
    history = answer_of(talk({}, "commits", ["git__git_log"], ("git__git_log", log)))
    groups = answer_of(talk(history, "groups", []))
    notes = answer_of(talk(groups, "markdown", []))
    told = ("git__git_commit", f"Changes committed successfully with hash {'d' * 40}")
    commit = answer_of(talk(notes, "commit", ["git__git_commit"], told))
    for name, output in zip(schemas, (history, groups, notes, commit), strict=True):
        jsonschema_rs.validator_for(schemas[name]).validate(output)


COMMIT_TOOLS = ["workspace__read_file", "git__git_log", "git__git_add", "git__git_commit"]
LOG = "Commit history:\nCommit: {hash}\nAuthor: AMAS\nDate: 2026-11-23\nMessage: {subject}\n"


@pytest.mark.parametrize(("subject", "made"), [("docs: update release notes", True), ("fix: a leak", False)])
def test_the_publisher_looks_before_it_claims_a_commit_of_unknown_outcome(subject: str, made: bool) -> None:
    """After a crash the log decides: the commit is claimed only where it stands there."""
    before = [
        ("workspace__read_file", NOTES),
        ("git__git_add", "Files staged successfully"),
        ("git__git_commit", '{"error": {"code": "OUTCOME_UNKNOWN", "message": "nobody knows how it ended"}}'),
    ]
    asked = {"path": "repository/RELEASE_NOTES.md"}
    assert call_of(talk(asked, "commit", COMMIT_TOOLS, *before)) == (
        "git__git_log",
        {"repo_path": "repository", "max_count": 1},
    )
    seen = talk(asked, "commit", COMMIT_TOOLS, *before, ("git__git_log", LOG.format(hash="a" * 40, subject=subject)))
    content = choose(seen).answer(seen).content
    assert (content == json.dumps({"commit": "a" * 40})) is made


def test_tools_are_called_as_the_user_says() -> None:
    """Each command for a tool on offer is a call, all at once; what the tools gave is told, not called for again."""
    said = 'Please.\ncall weather {"city": "Oslo"}\ncall clock\ncall unknown {}'
    tools = [{"type": "function", "function": {"name": name}} for name in ("weather", "clock")]
    messages: list[dict[str, Any]] = [{"role": "user", "content": said}]
    asked = Conversation({"messages": messages, "tools": tools})
    calls = choose(asked).answer(asked).calls
    assert [(call.name, call.arguments) for call in calls] == [("weather", {"city": "Oslo"}), ("clock", {})]
    function = {"name": "weather", "arguments": "{}"}
    messages += [
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
    ]
    told = Conversation({"messages": messages, "tools": tools})
    assert choose(told).answer(told).content == "The tools said: weather: rain"
    again = Conversation({"messages": [*messages, {"role": "user", "content": "call clock"}], "tools": tools})
    assert [call.name for call in choose(again).answer(again).calls] == ["clock"]
