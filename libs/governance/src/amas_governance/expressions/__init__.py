"""Expressions in `${…}`: CEL by cel-expr-python, type-checked when resources are applied, bounded when run."""

from .evaluation import SCOPE, evaluate, selection
from .references import names, sources
from .templates import Expression, ExpressionError, split, whole
from .type_checking import ANY_SCHEMA, TypeEnvironment, check_expects, check_types

__all__ = [
    "ANY_SCHEMA",
    "SCOPE",
    "Expression",
    "ExpressionError",
    "TypeEnvironment",
    "check_expects",
    "check_types",
    "evaluate",
    "names",
    "selection",
    "sources",
    "split",
    "whole",
]
