from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from amas_governance.audit_events import event_types, joined, misfit, misfit_as_sent, split
from hypothesis import given
from hypothesis import strategies as st

DECISION = {"id": "d", "effect": "allow", "reasons": [{"code": "X", "message": "said"}]}
INTENT = {"action": {"tool": "git/git_log"}, "decision": DECISION, "input": {"action": {"arguments": {"n": 5}}}}
DECIDED = {
    "approval_id": "a",
    "state": "approved",
    "action_digest": "sha256:0",
    "answers": [{"approver": "alice", "reason": "fine"}, {"approver": "bob"}, {"approver": "carol", "reason": ""}],
}


def sent(kind: str, data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    bare, said = split(kind, data)
    assert misfit_as_sent(kind, bare, [one.name for one in said]) is None
    return dict(bare), {one.name: one.data for one in said}


def test_every_type_has_a_schema_of_the_dialect() -> None:
    """A registry that is no JSON Schema would help nobody who reads it with another program."""
    for kind in event_types().values():
        assert kind.name.startswith("dev.amas.")
        assert kind.description.endswith(".")
        assert len({place.name for place in kind.contents}) == len(kind.contents)


def test_what_was_asked_of_the_policy_stands_apart() -> None:
    """Arguments are somebody's: they are not in the data that the tree hashes, and a reader gets them back."""
    before = copy.deepcopy(INTENT)
    bare, contents = sent("dev.amas.action.intent", INTENT)
    assert before == INTENT
    assert bare == {"action": INTENT["action"], "decision": DECISION}
    assert contents == {"input": b'{"action":{"arguments":{"n":5}}}'}
    assert joined("dev.amas.action.intent", bare, contents) == INTENT
    assert joined("dev.amas.action.intent", bare, {}) == bare


def test_texts_inside_lists_stand_apart_and_come_back_to_their_places() -> None:
    """Who agreed stays on record when what they said is erased."""
    bare, contents = sent("dev.amas.approval.decided", DECIDED)
    assert bare["answers"] == [{"approver": "alice"}, {"approver": "bob"}, {"approver": "carol"}]
    assert contents == {"answer_reasons": b'["fine",null,""]'}
    assert joined("dev.amas.approval.decided", bare, contents) == DECIDED
    with pytest.raises(ValueError, match="answer_reasons"):
        joined("dev.amas.approval.decided", bare, {"answer_reasons": b'["fine"]'})


def test_a_text_is_kept_as_it_is() -> None:
    """A model's answer is its bytes, not a JSON string of them; a message inside an object keeps its code."""
    usage: dict[str, Any] = {}
    called = dict.fromkeys(("callId", "operation", "route", "model", "outcome", "requestDigest", "responseDigest"), "x")
    bare, contents = sent("dev.amas.model.called", {**called, "usage": usage, "response": '{"a": 1}'})
    assert contents == {"response": b'{"a": 1}'}
    ended = {"state": "failed", "reason": {"code": "RUN_CANCELLED", "message": "carol: enough"}}
    bare, contents = sent("dev.amas.step.ended", ended)
    assert bare == {"state": "failed", "reason": {"code": "RUN_CANCELLED"}}
    assert joined("dev.amas.step.ended", bare, contents) == ended


def test_null_is_no_content() -> None:
    """That policy was not asked is on record; that an input was erased looks otherwise."""
    bare, contents = sent("dev.amas.action.intent", {**INTENT, "input": None})
    assert (bare["input"], contents) == (None, {})


@pytest.mark.parametrize(
    ("kind", "data", "contents", "field"),
    [
        ("dev.amas.nobody.knows", {}, [], "type"),
        ("dev.amas.action.intent", {"action": {}}, [], "data_json"),
        ("dev.amas.action.intent", INTENT, [], "data_json"),
        ("dev.amas.approval.decided", DECIDED, [], "data_json"),
        ("dev.amas.action.denied", {"turn": "1"}, [], "data_json"),
        ("dev.amas.action.denied", {}, ["output"], "contents[0].name"),
    ],
)
def test_what_does_not_fit_is_named(kind: str, data: dict[str, Any], contents: list[str], field: str) -> None:
    """I11: the field, and no value of it; what is somebody's is refused in the clear."""
    found = misfit_as_sent(kind, data, contents)
    assert found is not None
    assert found[0] == field
    assert "git_log" not in found[1]
    assert "fine" not in found[1]


def test_whole_data_is_held_against_the_same_schema() -> None:
    """A service's tests hold what it makes; audit holds what it is sent."""
    assert misfit("dev.amas.action.intent", INTENT) == ""
    assert "breaks" in misfit("dev.amas.action.intent", {**INTENT, "decision": 1})
    assert misfit("dev.amas.nobody.knows", {}) == "dev.amas.nobody.knows is no registered type"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_any_value_survives(value: Any) -> None:
    """What is put back is what was taken out, and the same value gives the same bytes."""
    data = {**INTENT, "input": value}
    bare, contents = split("dev.amas.action.intent", data)
    assert joined("dev.amas.action.intent", bare, {one.name: one.data for one in contents}) == data
    assert split("dev.amas.action.intent", copy.deepcopy(data)) == (bare, contents)


def test_the_page_has_every_type_and_its_contents() -> None:
    """What docs/audit-events.md says of a type's contents is what its schema says."""
    page = (Path(__file__).parents[3] / "docs/audit-events.md").read_text().splitlines()
    start = page.index("| Type | Contents |") + 2
    rows = page[start : page.index("", start)]
    assert rows == [
        f"| `{kind.name}` | {', '.join(f'`{place.name}`' for place in kind.contents) or '-'} |"
        for kind in event_types().values()
    ]
    described = "\n".join(page[: start - 2])
    assert [kind for kind in event_types() if f"`{kind}`" not in described] == []
