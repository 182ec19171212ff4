"""What a tool server offers now against what was accepted: tool by tool, as a unified diff that hides nothing.

Whoever accepts decides by what stands here. So every character that a terminal would obey, or that nobody would see, is
written out, and a tool that has any is flagged.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from amas_governance.visible import hidden_characters

from .printable import printable

Tool = Mapping[str, Any]
"""A definition as the pin covers it: name, description, inputSchema, outputSchema, annotations."""
MAX_NAMED = 8
"""Hidden characters that a warning names one by one."""


def offer_lines(offer: Sequence[Tool], accepted: Sequence[Tool] | None, granted: set[str]) -> list[str]:
    """`+` new, `-` gone, `~` changed, ` ` the same. Without `accepted` nobody knows what was, so all is shown."""
    now, before = _by_name(offer), _by_name(accepted or ())
    lines: list[str] = []
    if accepted is None:
        lines.append("what was accepted before is not on record: everything is shown")
    for name in sorted(now.keys() | before.keys() | granted):
        new, old = now.get(name), before.get(name)
        mark = "-" if new is None else "+" if old is None else " " if new == old else "~"
        use = "" if name in granted else "  (no policy: nobody can call it)"
        lines.append(f"{mark} {printable(name)}{use if new is not None else '  not offered any more'}")
        if new != old:
            lines += [f"    {line}" for line in _diff(old, new)]
        if new is not None and (hidden := hidden_characters("".join(_strings(new)))):
            named = ", ".join(hidden[:MAX_NAMED]) + (", ..." if len(hidden) > MAX_NAMED else "")
            lines.append(
                f"  ! {printable(name)} has characters that cannot be seen: {named}. They may hide instructions."
            )
    return lines


def _by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    return {str(tool.get("name", "")): tool for tool in tools}


def _diff(old: Tool | None, new: Tool | None) -> list[str]:
    lines = difflib.unified_diff(_lines(old), _lines(new), "accepted", "offered", lineterm="")
    return [printable(line) for line in lines]


def _lines(tool: Tool | None) -> list[str]:
    """A definition, line by line: each line of the description is one, and so is each of the schemas as JSON."""
    if tool is None:
        return []
    lines = [f"description: {line}" for line in str(tool.get("description", "")).split("\n")]
    for field in sorted(tool.keys() - {"name", "description"}):
        lines += [f"{field}: {line}" for line in _text(tool[field]).split("\n")]
    return lines


def _strings(value: Any) -> Iterator[str]:
    """Every text within a definition, names of members too, as it is and not as JSON escapes it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
