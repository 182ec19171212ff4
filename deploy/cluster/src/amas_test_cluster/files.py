"""Writes files whole or not at all, and replaces the placeholders of templates."""

from __future__ import annotations

import json
import os
from pathlib import Path
from string import Template
from typing import Any

from .errors import ClusterError


def write(path: Path, content: str | bytes, mode: int = 0o644) -> Path:
    """Writes beside the target and renames, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    beside.replace(path)
    return path


def write_json(path: Path, content: Any, mode: int = 0o644) -> Path:
    """Writes JSON, which is YAML too: what every part of Kubernetes reads."""
    return write(path, json.dumps(content, indent=1) + "\n", mode)


def remove_if_empty(folder: Path) -> None:
    """Removes an empty folder; another one, or none, stays as it is."""
    try:
        folder.rmdir()
    except OSError:
        return


def render(template: Path, **values: str) -> str:
    """Replaces each `${name}`; a name without a value is an error, since half a manifest must not be applied."""
    try:
        return Template(template.read_text()).substitute(values)
    except (KeyError, ValueError) as error:
        raise ClusterError(f"{template}: no value for placeholder {error}") from error
