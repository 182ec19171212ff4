"""What the input of a step is made of: the join of its sources' labels, and which values stem from trusted input.

Both follow from the template that the orchestration's author wrote and from the results that it refers to, never from
what a model says. A part of a template whose sources are all trusted is trusted; of any other part only the values that
its sources held as trusted remain so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from amas_governance.expressions import names, selection
from amas_governance.expressions import sources as expressions
from amas_governance.labels import Confidentiality, Integrity, Label, join_all
from amas_governance.provenance import TrustedValues
from amas_governance.resources import Step
from amas_governance.schema_labels import value_label

from .model import StepResult

INPUT_LABEL = Label(confidentiality=Confidentiality.INTERNAL)
"""What a run's input carries: it comes from a verified principal, and nobody said that it is public."""
_INPUT = re.compile(r"(?<![\w.])input\b")


class Origins:
    """The sources that the expressions of one orchestration can name: the run's input, and the results so far.

    `schema` is that of the input: what it marks (`x-amas-classification`) counts where an expression reads it.
    """

    def __init__(self, run_input: Any, schema: Mapping[str, Any], results: Mapping[str, StepResult]) -> None:
        self._input = run_input
        self._schema = schema
        self._results = results

    def label(self, *templates: Any) -> Label:
        """Join of the labels of all that the templates refer to."""
        steps = names(list(templates))
        labels = [INPUT_LABEL, self._input_label(list(templates)), *(self._label(name) for name in sorted(steps))]
        return join_all(labels)

    def step_label(self, step: Step) -> Label:
        """What a step's input carries: its own sources, and what decided that it runs, and over which items."""
        return self.label(step.with_, step.for_each, step.when)

    def trusted(self, step: Step, value: Any) -> TrustedValues:
        """The values of a step's evaluated input that stem from trusted input."""
        return TrustedValues.bounded(
            text for part in self._parts(step.with_, value, step.for_each) for text in part.texts
        )

    def _parts(self, template: Any, value: Any, items: Any) -> Iterator[TrustedValues]:
        """In parallel through template and value, which have one shape but for entries that were left out."""
        if isinstance(template, Mapping) and isinstance(value, Mapping):
            for key, child in template.items():
                if key in value:
                    yield from self._parts(child, value[key], items)
        elif isinstance(template, list | tuple) and isinstance(value, list | tuple):
            for child, part in zip(template, value, strict=True):
                yield from self._parts(child, part, items)
        else:
            # `item` and `index` are of the list; whether this very part uses them does not matter, to be strict.
            yield self._part([template, items], value)

    def _part(self, template: Any, value: Any) -> TrustedValues:
        if self.label(template).integrity is Integrity.TRUSTED:
            return TrustedValues.of(value)
        uses_input = any(_INPUT.search(source) for _, source in expressions(template))
        known = trusted_part(self._schema, self._input) if uses_input else TrustedValues.NONE
        for name in sorted(names(template)):
            if name in self._results:
                known = known.union(self._results[name].trusted)
        return known.within(value)

    def _input_label(self, template: Any) -> Label:
        """What the schema marks of that part of the input which the expressions read."""
        label = Label.LOWEST
        for _, source in expressions(template):
            if _INPUT.search(source):
                label = label.join(value_label(self._schema, _only(self._input, selection(source))))
        return label

    def _label(self, name: str) -> Label:
        result = self._results.get(name)
        return Label.from_dict(result.label) if result is not None and result.label else Label.LOWEST


def marked(schema: Mapping[str, Any], value: Any, label: Label, trusted: TrustedValues) -> tuple[Label, TrustedValues]:
    """Label and trusted values of something that goes through a schema whose marks count: they only raise."""
    marks = value_label(schema, value)
    if marks.integrity is Integrity.UNTRUSTED:
        trusted = TrustedValues.bounded(text for text in trusted_part(schema, value).texts if text in trusted.texts)
    return label.join(marks), trusted


def trusted_part(schema: Mapping[str, Any], value: Any) -> TrustedValues:
    """The values of an object but for those of its fields in which the schema marks something as untrusted."""
    fields = value if isinstance(value, Mapping) else {}
    kept = [part for name, part in fields.items() if _trusted(schema, {name: part})]
    return TrustedValues.of(kept)


def _trusted(schema: Mapping[str, Any], value: Any) -> bool:
    return value_label(schema, value).integrity is Integrity.TRUSTED


def _only(value: Any, path: list[str] | None) -> Any:
    """The value with nothing in it but what a chain of fields (`input.a.b`) leads to; all of it without a chain."""
    if path is None or path[0] != "input":
        return value
    part = value
    for name in path[1:]:
        if not isinstance(part, Mapping) or name not in part:
            return None
        part = part[name]
    for name in reversed(path[1:]):
        part = {name: part}
    return part
