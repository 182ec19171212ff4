"""What an orchestration hands to which step, and to its output, of its input and its steps: as its contract says."""

from __future__ import annotations

from typing import Any

from amas_governance import expressions
from amas_governance.resources import Orchestration

Fields = tuple[tuple[str, str], ...]
INPUT = "input"


class Handing:
    """Reads the expressions of an orchestration. Nothing else reaches the input of a step or the run's output."""

    def __init__(self, orchestration: Orchestration) -> None:
        self._spec = orchestration.spec

    def to_step(self, path: str, source: str) -> Fields | None:
        """Fields that a step (`sort`, `sort[3]`) gets of the input or of another, None if it awaits it not."""
        step = self._spec.step(_name(path))
        if step is None:
            return ()
        values = {"with": step.with_, "forEach": step.for_each, "when": step.when}
        return () if _name(source) in step.needs and not _mentions(values, source) else _handed(values, source)

    def to_output(self, source: str) -> Fields | None:
        """The same of the output. An orchestration that names none may give anything."""
        return () if self._spec.output is None else _handed({"output": self._spec.output}, source)


def _name(path: str) -> str:
    return path.partition("[")[0]


def _mentions(value: Any, source: str) -> bool:
    name = _name(source)
    if name in expressions.names(value):
        return True
    # Any mention counts, also one inside of a text: too many edges are possible ones, too few would be wrong.
    texts = [text for _, text in expressions.sources(value)]
    return any("input" in text if name == INPUT else "steps" in text and name in text for text in texts)


def _handed(value: Any, source: str) -> Fields | None:
    if not _mentions(value, source):
        return None
    fields = []
    wanted = [INPUT] if source == INPUT else ["steps", _name(source), "output"]
    for path, text in expressions.sources(value):
        chain = expressions.selection(text)
        if chain is not None and chain[: len(wanted)] == wanted:
            place = ["input" if source == INPUT else "output", *chain[len(wanted) :]]
            fields.append(("/" + "/".join(place), "/" + "/".join(str(part) for part in path)))
    return tuple(fields)
