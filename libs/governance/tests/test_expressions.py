"""expressions: CEL in `${…}`, evaluated over plain values, checked against schemas, bounded."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.expressions import ExpressionError, TypeEnvironment, check_types, evaluate, names
from hypothesis import given
from hypothesis import strategies as st

SCOPE: dict[str, Any] = {
    "input": {"path": "a.md", "count": 3, "list": [{"name": "x"}, {"name": "y"}], "nothing": None, "ratio": 0.5},
    "steps": {
        "draft": {"output": {"changed": True, "markdown": "# Notes"}, "state": "succeeded"},
        "skipped": {"output": None, "state": "skipped"},
    },
    "run": {"id": "r1", "orchestration": "flow", "tenant": "acme"},
    "principal": {"subject": "developer", "tenant": "acme", "roles": ["developer"], "groups": []},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${input.count}", 3),
        ("${input.nothing}", None),
        ("${input.list}", SCOPE["input"]["list"]),
        ("${input.count + 1}", 4),
        ("${input.ratio}", 0.5),
        ("${steps.draft.output.changed}", True),
        ("${!steps.draft.output.changed}", False),
        ("${input.list.map(entry, entry.name)}", ["x", "y"]),
        ("${has(input.since) ? input.since : 'never'}", "never"),
        ("${'developer' in principal.roles}", True),
        ("${ {'a': input.count}.a }", 3),
        ("${'}' + input.path}", "}a.md"),
        ("n=${input.count} l=${input.list} p=${input.path}", 'n=3 l=[{"name":"x"},{"name":"y"}] p=a.md'),
        ("$${input.path} costs $5", "${input.path} costs $5"),
        ("plain", "plain"),
        ("", ""),
        (7, 7),
        (None, None),
        ({"a": ["${input.path}", {"b": "${input.count}"}]}, {"a": ["a.md", {"b": 3}]}),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    """One expression keeps its type, a text takes values in, everything else is walked or left alone."""
    result = evaluate(value, SCOPE)
    assert result == expected
    assert type(result) is type(expected)


def test_what_a_skipped_step_did_not_give_is_absent() -> None:
    """The output of a run may name steps that its branches did not take."""
    assert evaluate({"a": "${steps.skipped.output.text}", "b": "${steps.draft.state}"}, SCOPE) == {"b": "succeeded"}


def test_an_absent_optional_field_leaves_its_entry_out() -> None:
    """`since: ${input.since}` without `since` is no entry; a null is an entry."""
    assert evaluate({"since": "${input.since}", "nothing": "${input.nothing}"}, SCOPE) == {"nothing": None}


@pytest.mark.parametrize(
    "value",
    [
        "${input.since}",
        ["${input.since}"],
        "a ${input.since}",
        "${input.path.name}",
        "${input.since + 'x'}",
        "${input.path + 1}",
        "${1 / 0}",
        "${",
        "${input.path",
        "${}",
        "${input.}",
        "${nobody}",
        "${open('/etc/passwd')}",
        "${bytes('a')}",
        "${timestamp('2026-01-01T00:00:00Z')}",
        "${" + "1+" * 2000 + "1}",
        "${" + "(" * 900 + "1" + ")" * 900 + "}",
        "${input.path}" * 100,
    ],
)
def test_what_cannot_be_evaluated_is_a_clear_error(value: Any) -> None:
    """Nothing but ExpressionError comes out, in one line, without the values of the run."""
    with pytest.raises(ExpressionError) as error:
        evaluate(value, SCOPE)
    assert "\n" not in str(error.value)
    assert "a.md" not in str(error.value)


def test_loops_are_bounded() -> None:
    """Neither many nested loops nor few long ones hold a step up."""
    with pytest.raises(ExpressionError, match="loop"):
        evaluate("${[1].map(a, [1].map(b, [1].map(c, [1].map(d, d))))}", {})
    with pytest.raises(ExpressionError, match="budget"):
        evaluate("${input.all(a, input.all(b, input.all(c, true)))}", {"input": list(range(1000))})


def test_deep_and_huge_values_are_refused_and_do_not_end_the_process() -> None:
    """A model's nonsense cannot crash the evaluator, whose converter is native code."""
    deep: dict[str, Any] = {}
    for _ in range(20_000):
        deep = {"a": deep}
    for value in (deep, [0] * 200_001):
        with pytest.raises(ExpressionError, match="at most"):
            evaluate("${size(input)}", {"input": value})
    assert evaluate("${size(principal)}", {"input": deep, "principal": {}}) == 0


def test_names_are_the_steps_that_are_referred_to() -> None:
    """Texts inside an expression are no references, and fields called `steps` are none either."""
    value = {"a": "${steps.one.output}", "b": ["x ${steps . two.output + 'steps.none.x' + input.steps.four}"]}
    assert names(value) == {"one", "two"}
    assert names(['${steps["three"].output}', "steps.none", "$${steps.none}"]) == {"three"}


@given(st.text(alphabet="${}'\"\\ab.()[]+", max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Any text evaluates or is refused with an ExpressionError."""
    try:
        evaluate(text, SCOPE)
        names(text)
    except ExpressionError:
        pass


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["path", "ratio"],
    "properties": {
        "path": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "open": {"type": "object"},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "list": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "dashed": {"type": "object", "properties": {"a-b": {"type": "string"}}},
        "foo_bar": {"type": "string"},
        "fooBar": {"type": "string"},
    },
}
ENVIRONMENT = TypeEnvironment(SCHEMA, {"draft": SCHEMA, "each": {"type": "array", "items": SCHEMA}})


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("input.path", "string"),
        ("input.count + 1", "integer"),
        ("input.ratio", "any"),
        ("input.flag && input.path == 'x'", "boolean"),
        ("input.open.anything.at.all", "any"),
        ("input.either", "any"),
        ("input.list", "array"),
        ("input.list[0].name", "string"),
        ("input.list.map(entry, entry.name)", "array"),
        ("input.matrix[0][0]", "any"),
        ("input.dashed['a-b']", "any"),
        ("input.foo_bar + input.fooBar", "string"),
        ("steps.draft.output", "object"),
        ("steps.each.output.map(one, one.path)", "array"),
        ("size(input.list) > 0", "boolean"),
        ("run.id + principal.tenant", "string"),
        ("null", "null"),
    ],
)
def test_types_come_from_the_schemas(source: str, kind: str) -> None:
    """What a schema says is known, and what it leaves open stays open."""
    assert ENVIRONMENT.type_of(source) == kind


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("steps.draft.output.pth", "no field 'pth'"),
        ("input.list[0].nam", "no field 'nam'"),
        ("input.list.map(entry, entry.nam)", "no field 'nam'"),
        ("steps.each.output.path", "path"),
        ("input.count + 'x'", "overload"),
        ("input.path == 1", "overload"),
        ("steps.nobody.output", "no step nobody"),
        ("steps", "name one step"),
        ("steps['draft'].output", "name one step"),
        ("run.secret", "no field 'secret'"),
        ("item", "item"),
        ("input.path.shout()", "shout"),
        ("input.path +", "Syntax error"),
    ],
)
def test_mistakes_are_found_before_a_run(source: str, words: str) -> None:
    """A misspelt field, a wrong type and an unknown step are errors when resources are applied."""
    with pytest.raises(ExpressionError, match=words):
        ENVIRONMENT.type_of(source)


def test_item_and_index_exist_only_in_a_map() -> None:
    """Inside `forEach` the item has the type of the list's entries."""
    inner = TypeEnvironment(SCHEMA, {}, item_schema=SCHEMA["properties"]["list"]["items"])
    assert inner.type_of("item.name") == "string"
    assert inner.type_of("index") == "integer"
    with pytest.raises(ExpressionError, match="no field 'nam'"):
        inner.type_of("item.nam")


@pytest.mark.parametrize(
    ("source", "target", "required", "words"),
    [
        ("input.path", {"type": "string"}, True, None),
        ("input.count", {"type": "string"}, False, "expected a text"),
        ("input.count", {"type": "number"}, False, None),
        ("input.count", {"type": "integer"}, True, "may be absent"),
        ("input.either", {"type": "boolean"}, False, None),
        ("input.list", {"type": "array", "items": {"type": "string"}}, False, r"gives object at \[\]"),
        ("input.list", {"type": "array", "items": {"type": "object", "required": ["id"]}}, False, "no field id"),
        ("input.list", {"type": "array", "items": {"type": "object", "required": ["name"]}}, False, "may lack"),
        ("input.open", {"type": "object", "required": ["id"]}, False, None),
        ("steps.draft.output", {"type": "object", "properties": {"path": {"type": "integer"}}}, True, "at path"),
    ],
)
def test_values_fit_where_they_go(source: str, target: dict[str, Any], required: bool, words: str | None) -> None:
    """Only what is certainly wrong is refused, down to the fields of lists and objects."""
    found = ENVIRONMENT.mismatch(source, target, required=required)
    if words is None:
        assert found is None
    else:
        with pytest.raises(AssertionError, match=words):
            raise AssertionError(found)


def test_check_types_says_where() -> None:
    """Each broken text of a value is reported with its path."""
    found = check_types({"a": ["${input.path}", "${input.pth}"], "b": "${"}, ENVIRONMENT)
    assert [path for path, _ in found] == [("a", 1), ("b",)]
