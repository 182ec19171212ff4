"""The fields that could have been meant by one that does not exist: read off the models, and only for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel

MAX_NAMES = 16
"""Names that a message lists at most."""


def instead(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean arguments?`, or what there is; nothing if nothing is known."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {close[0]}?"
    listed = ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
    return f"; there are: {listed}" if names else ""


def fields_at(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """Names of the fields of whatever stands at `path` of a resource; empty where that is no object of ours."""
    here: type[BaseModel] | None = model
    for part in path:
        if here is None:
            return []
        if isinstance(part, int):
            continue  # an entry of a list: the model is that of the list's field
        field = next((f for name, f in here.model_fields.items() if part in (name, f.alias)), None)
        here = None if field is None else _model_of(field.annotation)
    return [] if here is None else [field.alias or name for name, field in here.model_fields.items()]


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The one model in a type: itself, or of its entries."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [model for inner in get_args(annotation) if (model := _model_of(inner)) is not None]
    return found[0] if len(found) == 1 else None
