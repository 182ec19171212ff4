"""What can go wrong between the operator and its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from .model import Found


class OperatorError(Exception):
    """The base: its text is for operators and holds no secret."""


class RefusedError(OperatorError):
    """The platform does not take these resources; nothing changed. Asking again changes nothing either."""

    def __init__(self, problems: Sequence[Found]) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems = tuple(problems)


class NotAllowedError(OperatorError):
    """The tenant's policy, or the gateway's, does not let this operator do it."""


class UnavailableError(OperatorError):
    """A neighbour does not answer, or not with sense: to be asked again later."""


class ChangedMeanwhileError(OperatorError):
    """A custom resource was changed or deleted while we worked on it: the next round sees it."""
