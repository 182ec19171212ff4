"""The texts that stand under the fields of a class in its source: what people are told about a field."""

from __future__ import annotations

import ast
import inspect
import textwrap


def attribute_docstrings(model: type) -> dict[str, str]:
    """Text by attribute name; empty where the source cannot be had."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    previous = ""
    for node in getattr(body, "body", []):
        text = node.value.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else None
        if previous and isinstance(text, str):
            found[previous] = inspect.cleandoc(text)
        previous = node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""
    return found
