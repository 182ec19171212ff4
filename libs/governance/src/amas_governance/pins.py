"""The pin of a tool server: the digest of what it offers, so that a tool that changes is noticed (a "rug pull").

Only what a model is shown or a contract is checked against is pinned; order and transport details are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .canonical import digest

PINNED_FIELDS = ("name", "description", "inputSchema", "outputSchema", "annotations")


def pinned_tools(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a pin covers of a tool list as `tools/list` of MCP gives it (JSON objects, camelCase names).

    The list is sorted by name; a field that is absent or null is left out. Raises ValueError for a tool without a
    name and for two tools of one name, since such a list does not say which of them would be called.
    """
    pinned = [{key: tool[key] for key in PINNED_FIELDS if tool.get(key) is not None} for tool in tools]
    names = [tool.get("name") for tool in pinned]
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError("a tool has no name")
    if len(set(names)) != len(names):
        raise ValueError("two tools have the same name")
    return sorted(pinned, key=lambda tool: str(tool["name"]))


def tool_list_pin(tools: Iterable[Mapping[str, Any]]) -> str:
    """Digest of what a pin covers of a tool list; raises ValueError like `pinned_tools`."""
    return digest(pinned_tools(tools))
