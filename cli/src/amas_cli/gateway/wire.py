"""Brings the gateway's JSON into the one form that the views read: snake_case, short lower-case states, parsed JSON."""

import json
import re
from typing import Any

_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_ENUM = re.compile(
    r"(?:RUN_STATE|STEP_STATE|APPROVAL_STATE|APPROVAL_KIND|REVOCATION_KIND|EFFECT|RESOURCE_CHANGE_KIND|CONFIDENTIALITY|INTEGRITY)_([A-Z_]+)"
)
OPAQUE = frozenset({"input", "output", "arguments", "manifest", "before", "after", "data", "arguments_schema", "offer"})
"""Fields whose content belongs to users: nothing inside them is renamed."""


def normal(value: Any) -> Any:
    """The same value in our form. `x_json` texts become `x` values; text that is not JSON stays as it is."""
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, str):
        match = _ENUM.fullmatch(value)
        return match[1].lower() if match else value
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = _CAMEL.sub(lambda match: "_" + match[1].lower(), key)
        if name.endswith("_json"):
            result[name.removesuffix("_json")] = _parsed(item)
        else:
            result[name] = item if name in OPAQUE else normal(item)
    return result


def _parsed(text: Any) -> Any:
    if not isinstance(text, str) or not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
