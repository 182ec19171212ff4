"""YAML 1.2 (and JSON, which is a part of it) as plain values, each with its place in the file.

Built on the node graph of ruamel.yaml and not on its objects: no tag constructs anything, duplicate keys are refused,
and the number of nodes is counted after aliases are followed, so that a few bytes cannot become gigabytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .canonical import MAX_DEPTH, MAX_SAFE_INTEGER
from .problems import FieldPath, Problem, field_path

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_DOCUMENTS = 1_000
MAX_NODES = 200_000
"""Values in one file, aliases counted as often as they are used."""
TOO_DEEP = f"expected at most {MAX_DEPTH} levels of nesting"

_TAG = "tag:yaml.org,2002:"
Place = tuple[int, int]
"""Line and column, from 1."""


@dataclass
class Document:
    """One document of a file: its value, and where each part of it stands."""

    value: Any = None
    places: dict[FieldPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: FieldPath) -> Place:
        """Place of the value at `path`, or of the nearest part around it that is written down."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return (1, 1)


def read_documents(file: str, content: str) -> Iterator[Document]:
    """Every document of a file that is not empty; faults are in `problems`, and nothing is raised."""
    if len(content.encode("utf-8", "replace")) > MAX_FILE_BYTES:
        yield _broken(file, 1, 1, f"expected at most {MAX_FILE_BYTES} bytes")
        return
    budget = _Budget(MAX_NODES)
    yaml = YAML(typ="safe", pure=True)
    # Else deep nesting is read as far as Python's stack reaches, in a time that grows with its square.
    yaml.max_depth = MAX_DEPTH + 1
    try:
        for number, node in enumerate(yaml.compose_all(content), start=1):
            if number > MAX_DOCUMENTS:
                yield _broken(file, node.start_mark.line + 1, 1, f"expected at most {MAX_DOCUMENTS} documents")
                return
            if node is None or (isinstance(node, ScalarNode) and node.tag == f"{_TAG}null"):
                continue
            yield _Reader(file, budget).read(node)
    except MaxDepthExceededError as error:
        mark = error.problem_mark
        yield _broken(file, mark.line + 1, mark.column + 1, TOO_DEEP)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(str(error.problem or error.context or "a syntax error").split())
        yield _broken(file, line, column, f"not YAML: {what[:200]}")
    except (YAMLError, ValueError, RecursionError, AssertionError) as error:
        yield _broken(file, 1, 1, f"not YAML: {' '.join(str(error).split())[:200]}")


def _broken(file: str, line: int, column: int, message: str) -> Document:
    return Document(problems=[Problem(file, line, column, "", message)])


class _Budget:
    def __init__(self, nodes: int) -> None:
        self.nodes = nodes

    def spend(self) -> None:
        self.nodes -= 1
        if self.nodes < 0:
            raise ValueError(f"expected at most {MAX_NODES} values, aliases counted as often as they are used")


class _Reader:
    def __init__(self, file: str, budget: _Budget) -> None:
        self._file = file
        self._budget = budget
        self._document = Document()

    def read(self, node: Node) -> Document:
        self._document.value = self._value(node, ())
        return self._document

    def _value(self, node: Node, path: FieldPath) -> Any:
        self._budget.spend()
        self._document.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if len(path) > MAX_DEPTH:
            raise ValueError(TOO_DEEP)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            if node.tag != f"{_TAG}seq":
                self._problem(node, path, f"the tag {node.tag} is not allowed")
            return [self._value(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: FieldPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if node.tag != f"{_TAG}map":
            self._problem(node, path, f"the tag {node.tag} is not allowed")
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, ScalarNode) or key_node.tag == f"{_TAG}merge":
                self._problem(key_node, path, "expected a text as key")
                continue
            if key in result:
                self._problem(key_node, (*path, key), "this key appears twice in one mapping")
                continue
            # The key's place, since that is where a reader looks for the field.
            self._document.places[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self._value(value_node, (*path, key))
        return result

    def _scalar(self, node: Node, path: FieldPath) -> Any:
        text = str(node.value)
        kind = str(node.tag).removeprefix(_TAG)
        if kind in {"str", "timestamp"}:
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            if kind == "int":
                return _integer(text)
            if kind == "float":
                return _number(text)
        except ValueError as error:
            self._problem(node, path, str(error))
            return None
        self._problem(node, path, f"the tag {node.tag} is not allowed")
        return None

    def _problem(self, node: Node, path: FieldPath, message: str) -> None:
        mark = node.start_mark
        self._document.problems.append(Problem(self._file, mark.line + 1, mark.column + 1, field_path(path), message))


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    value = int(digits, 0) if digits.lstrip("+-")[:2].lower() in {"0x", "0o", "0b"} else _decimal(digits)
    if abs(value) > MAX_SAFE_INTEGER:
        raise ValueError("expected a whole number within ±(2^53 - 1)")
    return value


def _decimal(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("expected a whole number within ±(2^53 - 1)")
    return int(digits)


def _number(text: str) -> float:
    plain = text.replace("_", "").lower()
    if "inf" in plain or "nan" in plain:
        raise ValueError("expected a finite number")
    value = float(plain)
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value
