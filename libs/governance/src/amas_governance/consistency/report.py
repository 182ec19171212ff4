"""Collects problems with the places of what they are about."""

from __future__ import annotations

from amas_governance.loader import Positions
from amas_governance.problems import FieldPath, Problem, field_path
from amas_governance.resources import Resource

MAX_PROBLEMS = 200


class Report:
    """Problems so far; further ones than MAX_PROBLEMS are dropped, since nobody reads them."""

    def __init__(self, positions: Positions | None) -> None:
        self._positions = positions or Positions()
        self.problems: list[Problem] = []

    def add(self, resource: Resource, path: FieldPath, message: str) -> None:
        """Adds a problem of one field of a resource; without a file, the resource is named in the message."""
        if len(self.problems) >= MAX_PROBLEMS:
            return
        kind, name = resource.KIND, resource.metadata.name
        file, line, column = self._positions.lookup_path(kind, name, path)
        self.problems.append(Problem(file, line, column, field_path(path), f"{kind} {name}: {message}"))
