"""consistency: resources that do not fit together are refused when applied, with the field that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.consistency import check
from amas_governance.loader import SourceFile, load

from . import manifests

READ = {"name": "git/git_log"}


def fields(*given: dict[str, Any]) -> dict[str, str]:
    """Field and message of each problem."""
    return {problem.field: problem.message for problem in check(manifests.parsed(*given))}


def test_resources_that_fit_have_no_problem() -> None:
    """No false alarm on a graph with needs, when, forEach and a delegate."""
    found = fields(
        manifests.server(),
        manifests.role("writer", tools=[READ], delegates=["helper"]),
        manifests.role("helper"),
        manifests.orchestration(
            {"name": "first", "role": "writer", "with": {"text": "for ${input.path}"}},
            {"name": "many", "role": "helper", "forEach": "${input.list}", "with": {"text": "${item.name}"}},
            {
                "name": "last",
                "role": "writer",
                "needs": ["many"],
                "when": "${steps.first.output.text != ''}",
                "with": {"text": "${steps.many.output[0].text}"},
            },
            output={"all": "${steps.many.output}", "last": "${steps.last.output.text}"},
        ),
    )
    assert found == {}


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        (manifests.role(model={"route": "fast"}), "spec.model.route", "unknown model route fast; there are: default"),
        (manifests.role(tools=[{"name": "svn/log"}]), "spec.tools[0].name", "unknown tool server svn"),
        (manifests.role(tools=[READ, {"name": "git/git_push"}]), "spec.tools[1].name", "unknown tool of git git_push"),
        (manifests.role(delegates=["nobody"]), "spec.delegates[0]", "unknown role nobody"),
        (manifests.role(delegates=["writer"]), "spec.delegates", "writer → writer"),
        (manifests.orchestration({"name": "a", "role": "nobody"}), "spec.steps[0].role", "unknown role nobody"),
        (
            manifests.orchestration({"name": "a", "role": "writer", "needs": ["b"]}),
            "spec.steps[0].needs[0]",
            "unknown step b",
        ),
    ],
)
def test_unknown_names_are_refused(given: dict[str, Any], field: str, words: str) -> None:
    """A reference to nothing is found when applied, and the message lists what there is."""
    others = [manifests.server()] + ([] if given["kind"] == "AgentRole" else [manifests.role()])
    assert words in fields(given, *others)[field]


def test_a_route_names_models_that_exist() -> None:
    """Provider and model of a target must be known."""
    route = manifests.route()
    route["metadata"]["name"] = "other"
    route["spec"]["targets"] = [{"provider": "local", "model": "gpt"}, {"provider": "openai", "model": "gpt"}]
    found = fields(route)
    assert "unknown model of local gpt; there are: scripted" in found["spec.targets[0].model"]
    assert "unknown model provider openai" in found["spec.targets[1].provider"]


def test_a_budget_names_a_role_that_exists() -> None:
    """A misspelt role would bound nobody's spending."""
    spec = {"subject": {"role": "writter"}, "window": "day", "tokens": 5}
    budget = {"apiVersion": manifests.API, "kind": "Budget", "metadata": {"name": "b"}, "spec": spec}
    assert "unknown role writter" in fields(budget, manifests.role())["spec.subject.role"]


def test_delegation_has_no_circle() -> None:
    """A chain of grants must end; the circle is shown."""
    found = fields(
        manifests.role("a", delegates=["b"]), manifests.role("b", delegates=["c"]), manifests.role("c", delegates=["a"])
    )
    assert "a → b → c → a" in found["spec.delegates"]


def test_steps_do_not_wait_for_each_other() -> None:
    """A circle of references or needs is refused; so no step refers to one that is only reached after it."""
    found = fields(
        manifests.role(),
        manifests.orchestration(
            {"name": "a", "role": "writer", "with": {"text": "${steps.b.output.text}"}},
            {"name": "b", "role": "writer", "needs": ["a"]},
        ),
    )
    assert "circle: a → b → a" in found["spec.steps[0]"]


def step(**fields_of_step: Any) -> dict[str, Any]:
    """An orchestration of one step `b` after a step `a`."""
    return manifests.orchestration(
        {"name": "a", "role": "writer"}, {"name": "b", "role": "writer"} | fields_of_step, output="${steps.b.output}"
    )


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        (step(**{"with": {"text": "${steps.a.output.txt}"}}), "spec.steps[1].with.text", "no field 'txt'"),
        (step(**{"with": {"text": "${input.count}"}}), "spec.steps[1].with.text", "expected a text"),
        (step(**{"with": {"text": 5}}), "spec.steps[1].with.text", "does not accept"),
        (step(**{"with": {"txt": "x"}}), "spec.steps[1].with.txt", "unknown input of the role writer txt"),
        (step(**{"with": {"text": "${item.name}"}}), "spec.steps[1].with.text", "item"),
        (step(when="${input.count}"), "spec.steps[1].when", "expected true or false"),
        (step(when="yes"), "spec.steps[1].when", "expected an expression"),
        (step(when="${steps.zz.output.text == ''}"), "spec.steps[1].when", "no step zz"),
        (step(forEach="${input.path}"), "spec.steps[1].forEach", "expected a list"),
        (
            step(forEach="${input.list}", **{"with": {"text": "${item.nam}"}}),
            "spec.steps[1].with.text",
            "no field 'nam'",
        ),
        (step() | {"spec": step()["spec"] | {"output": "${steps.a.output.txt}"}}, "spec.output", "no field 'txt'"),
        (step(**{"with": {"text": "${steps.a.output"}}), "spec.steps[1].with.text", "not closed"),
    ],
)
def test_expressions_are_checked_when_applied(given: dict[str, Any], field: str, words: str) -> None:
    """Types and fields are checked against the schemas, not when a run is half done."""
    assert words in fields(given, manifests.role())[field]


def test_required_inputs_of_a_role_must_be_given() -> None:
    """A step without a required input is refused, and so is one that may be absent."""
    schema = {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string"}, "n": {"type": "integer"}},
    }
    strict = manifests.role("strict", input={"schema": schema})
    flow = manifests.orchestration({"name": "a", "role": "strict"})
    assert "requires the input text" in fields(strict, flow)["spec.steps[0].with"]
    schema["required"] = ["n"]
    flow = manifests.orchestration({"name": "a", "role": "strict", "with": {"n": "${input.count}"}})
    assert "may be absent" in fields(manifests.role("strict", input={"schema": schema}), flow)["spec.steps[0].with.n"]


def test_problems_carry_the_place_in_the_file() -> None:
    """With the positions of the loader, a problem between resources points to a line too."""
    import json

    files = [SourceFile("flow.json", json.dumps(manifests.orchestration({"name": "a", "role": "nobody"}), indent=1))]
    loaded = load(files)
    (problem,) = check(loaded.resources, loaded.positions)
    assert problem.file == "flow.json"
    assert '"role": "nobody"' in files[0].content.splitlines()[problem.line - 1]


def test_the_order_of_resources_does_not_matter() -> None:
    """The same resources give the same problems."""
    resources = manifests.parsed(
        manifests.role(tools=[{"name": "x/y"}], delegates=["z"]), manifests.role("b", delegates=["q"])
    )
    assert check(resources) == check(list(reversed(resources)))
    assert len(check([*resources, resources[-1]])) == len(check(resources)) + 1
