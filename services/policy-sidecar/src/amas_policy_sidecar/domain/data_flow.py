"""Which data may flow where, and what must not leave in arguments: labels against clearances, and secrets.

Policies judge labels too; this check stands in the code as well, so that no policy can lower it. Findings are reported
by detector and count, never by what was found.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from typing import Any

from amas_governance import dlp
from amas_governance.labels import Confidentiality, Label
from amas_governance.schema_labels import schema_label

from .errors import Denied
from .model import ToolDescription

SECRET = "secret"  # noqa: S105 - a category of data, no password


def check_clearance(label: Label, level: Confidentiality, categories: frozenset[str], what: str) -> None:
    """Raises Denied if `label` is above what the receiver named by `what` may see."""
    if label.confidentiality > level:
        raise Denied("CLEARANCE_EXCEEDED", f"{label.confidentiality.label} data is above the clearance of {what}")
    missing = label.categories - categories
    if missing:
        raise Denied("CATEGORY_NOT_CLEARED", f"{what} may not see data of {', '.join(sorted(missing))}")


def described_label(tool: ToolDescription) -> Label:
    """What a tool's own schema of its results marks, at most: it raises what the contract says, and never lowers it.

    All of the schema counts, before the call: what the role may not see is not asked for.
    """
    try:
        return schema_label(tool.definition.get("outputSchema"))
    except ValueError as error:
        raise Denied("TOOL_CLASSIFICATION_INVALID", f"the tool's schema of its results is unusable: {error}") from error


def scan_arguments(arguments: Mapping[str, Any]) -> dict[str, int]:
    """How often each detector fired, as `category/detector`; raises Denied if one of them found a secret."""
    try:
        found = dlp.scan("\n".join(_strings(arguments)))
    except dlp.ScanRefused as error:
        raise Denied("ARGUMENTS_UNSCANNABLE", f"the arguments cannot be scanned for secrets: {error}") from error
    secrets = sorted({finding.detector for finding in found if finding.category == SECRET})
    if secrets:
        raise Denied("SECRET_IN_ARGUMENTS", f"the arguments hold a secret ({', '.join(secrets)})")
    return dict(collections.Counter(f"{finding.category}/{finding.detector}" for finding in found))


def redact_text(text: str) -> str:
    """The text without its secrets; nothing of it if it cannot be scanned."""
    try:
        found = dlp.scan(text)
    except dlp.ScanRefused as error:
        return f"[withheld: {error}]"
    return dlp.redact(text, [finding for finding in found if finding.category == SECRET])


def redact_value(value: Any) -> Any:
    """The JSON value without the secrets in its strings, keys included. Depth is bounded by the parsers."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {redact_text(str(key)): redact_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(item) for item in value]
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
