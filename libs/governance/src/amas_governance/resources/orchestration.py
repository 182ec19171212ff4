"""Orchestration: how roles work together. A graph of steps whose edges are the references between them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from amas_governance.admission import Rule, at_least_one, each_once, rules
from amas_governance.dlp.actions import Action
from amas_governance.labels import Integrity, Label
from amas_governance.quantities import Duration

from .agent_role import ApprovalRequirement
from .dlp_rules import DlpRules
from .manifest_fields import (
    MAX_ITEMS,
    Categories,
    ConfidentialityLevel,
    Manifest,
    Model,
    Name,
    Schema,
    Semver,
    Sentence,
    error_within,
)

# Expressions name a step as `steps.<name>`, so its name is an identifier.
StepName = Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]{0,62}$", max_length=63)]


class LowerLabel(Model):
    """The label that a value is to have; what is absent stays as it is, and nothing is raised."""

    ADMISSION = (
        Rule(
            at_least_one("confidentiality", "categories", "integrity"),
            "expected at least one of confidentiality, categories and integrity",
        ),
    )

    confidentiality: ConfidentialityLevel | None = None
    categories: Categories | None = None
    """Those that remain."""
    integrity: Literal["trusted"] | None = None

    @model_validator(mode="after")
    def _lowers(self) -> Self:
        if self.confidentiality is None and self.categories is None and self.integrity is None:
            raise ValueError("expected at least one of confidentiality, categories and integrity")
        return self

    def lowered(self, label: Label) -> Label:
        """The label after the act: never higher in anything."""
        return Label(
            confidentiality=min(label.confidentiality, self.confidentiality or label.confidentiality),
            categories=label.categories if self.categories is None else label.categories & frozenset(self.categories),
            integrity=Integrity(self.integrity) if self.integrity else label.integrity,
        )


class Declassification(Model):
    """An act by people: they see the exact output of the step and agree that it has a lower label."""

    to: LowerLabel
    reason: Sentence
    """Why it may be lowered; shown to the approvers, and on the record."""
    approval: ApprovalRequirement


class Step(Model):
    """One node: a role with its input, and when it runs."""

    name: StepName
    role: Name
    with_: Annotated[dict[str, Any], Field(alias="with", max_length=MAX_ITEMS)] = Field(default_factory=dict)
    needs: Annotated[tuple[StepName, ...], Field(max_length=MAX_ITEMS)] = ()
    for_each: Annotated[str, Field(min_length=1)] | Annotated[list[Any], Field(max_length=1000)] | None = None
    """An expression that gives a list, or the list; `item` and `index` are in scope of `with`, then."""
    max_parallel: Annotated[int, Field(ge=1, le=64)] = 4
    when: Annotated[str, Field(min_length=1)] | bool | None = None
    timeout: Duration | None = None
    """Seconds for the whole step; the role's wall clock holds besides."""
    on_rejected: Literal["fail", "end", "continue"] = "fail"
    escalation: ApprovalRequirement | None = None
    """Whom to ask when a bound is hit (`onBound: escalate`) or an outcome is unknown."""
    declassify: Declassification | None = None
    """Lowers the label of the step's output, each time by an approval of that very output."""


def _asks_nobody(rules: DlpRules) -> DlpRules:
    said = {rules.secret, rules.pci, rules.phi, rules.pii, *rules.detectors.values()}
    if Action.HOLD in said:
        raise ValueError("an answer is not held: let people see a step's output first, by `declassify` of that step")
    return rules


_NOT_HELD = Rule(
    " && ".join(f"!(has(self.{name}) && self.{name} == 'hold')" for name in ("secret", "pci", "phi", "pii"))
    + " && (!has(self.detectors) || self.detectors.all(name, self.detectors[name] != 'hold'))",
    "an answer is not held: let people see a step's output first, by `declassify` of that step",
)


class OrchestrationSpec(Model):
    """The graph itself."""

    ADMISSION = (Rule(each_once("self.steps", "a.name == b.name"), "two steps have the same name", ".steps"),)

    version: Semver
    input: Schema
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MAX_ITEMS)]
    output: Any = None
    answers: Annotated[DlpRules, AfterValidator(_asks_nobody), rules(_NOT_HELD)] = Field(default_factory=DlpRules)
    """What is done about sensitive data in what callers see: the output, and the events on the way to it."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [step.name for step in self.steps]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise error_within(("steps", index, "name"), f"two steps are called {name}")
        return self

    def step(self, name: str) -> Step | None:
        """The step of that name."""
        return next((step for step in self.steps if step.name == name), None)


class Orchestration(Manifest):
    """A versioned graph of steps over roles."""

    KIND: ClassVar[str] = "Orchestration"

    kind: Literal["Orchestration"]
    spec: OrchestrationSpec
