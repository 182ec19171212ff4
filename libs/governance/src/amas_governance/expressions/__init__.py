"""Expressions in `${…}`: CEL by cel-expr-python, type-checked when resources are applied, bounded when run."""

from .evaluation import SCOPE, evaluate
from .references import names, sources
from .templates import Expression, ExpressionError, split, whole

__all__ = [
    "SCOPE",
    "Expression",
    "ExpressionError",
    "evaluate",
    "names",
    "sources",
    "split",
    "whole",
]
