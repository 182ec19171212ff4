"""From files to resources. All or nothing is the caller's decision: what is wrong is in `problems`, with its place.

Pure: files come as text. Nothing here raises for bad content, and no message carries a stack trace (invariant I11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .problems import FieldPath, Problem, field_path
from .resources import ManifestError, Resource, parse_manifest
from .yaml_documents import Document, read_documents

MAX_FILES = 1_000
MAX_PROBLEMS = 200
"""Problems that are reported at most: nobody reads more, and each costs memory."""

_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True)
class SourceFile:
    """A file by name and text; the name is only shown."""

    name: str
    content: str


@dataclass
class Positions:
    """Where each resource and each of its fields is written."""

    _documents: dict[tuple[str, str], tuple[str, Document]] = field(default_factory=dict)

    def add(self, kind: str, name: str, file: str, document: Document) -> None:
        """Remembers the document of a resource."""
        self._documents[kind, name] = (file, document)

    def lookup(self, kind: str, name: str, field_name: str = "") -> tuple[str, int, int]:
        """File, line and column of a field (`spec.tools[0].name`); ("", 0, 0) for a resource from no file."""
        path: FieldPath = tuple(int(index) if index else part for index, part in _PART.findall(field_name))
        return self.lookup_path(kind, name, path)

    def lookup_path(self, kind: str, name: str, path: FieldPath) -> tuple[str, int, int]:
        """The same for a path in parts."""
        if (kind, name) not in self._documents:
            return ("", 0, 0)
        file, document = self._documents[kind, name]
        return (file, *document.place(path))


@dataclass
class LoadResult:
    """The resources that could be read, what is wrong, and where all of it stands."""

    resources: list[Resource] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    positions: Positions = field(default_factory=Positions)


def load(files: Sequence[SourceFile]) -> LoadResult:
    """Reads all documents of all files (YAML or JSON). Two resources of one kind and name are a problem."""
    result = LoadResult()
    if len(files) > MAX_FILES:
        result.problems.append(Problem("", 0, 0, "", f"expected at most {MAX_FILES} files, found {len(files)}"))
        return result
    for file in files:
        for document in read_documents(file.name, file.content):
            _load_document(file.name, document, result)
            if len(result.problems) >= MAX_PROBLEMS:
                del result.problems[MAX_PROBLEMS:]
                return result
    return result


def _load_document(file: str, document: Document, result: LoadResult) -> None:
    if document.problems:
        result.problems.extend(document.problems)
        return
    if not isinstance(document.value, dict):
        result.problems.append(
            Problem(file, *document.place(()), "", "expected a mapping with apiVersion, kind, metadata and spec")
        )
        return
    try:
        resource = parse_manifest(document.value)
    except ManifestError as error:
        for path, message in error.problems:
            result.problems.append(Problem(file, *document.place(path), field_path(path), message))
        return
    kind, name = resource.KIND, resource.metadata.name
    first_file, first_line, _ = result.positions.lookup(kind, name)
    if first_line:
        place = document.place(("metadata", "name"))
        message = f"{kind} {name} is defined twice: first in {first_file}:{first_line}"
        result.problems.append(Problem(file, *place, "metadata.name", message))
        return
    result.resources.append(resource)
    result.positions.add(kind, name, file, document)
