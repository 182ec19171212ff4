"""Tool calls of a streamed choice: who is called goes on at once, the arguments when they are complete.

Arguments are JSON in pieces, where an escape can hide what a text would show, so they are judged whole and decoded.
"""

from __future__ import annotations

from typing import Any

from .text_rules import TextRules

# Bytes of arguments that one choice may have waiting; more ends it.
MAX_ARGUMENT_BYTES = 4 * 1024 * 1024
# What a model writes for a tool: JSON for a function, any text for a custom tool.
_WRITTEN = ("arguments", "input")

_Place = tuple[str, int, str, str]


class TooManyArgumentsError(ValueError):
    """More than MAX_ARGUMENT_BYTES."""


class HeldCalls:
    """Those of one choice. Taking raises TooManyArgumentsError and what `TextRules.apart` does."""

    def __init__(self, rules: TextRules) -> None:
        self._rules = rules
        self._parts: dict[_Place, list[str]] = {}
        self._size = 0

    def take(self, calls: list[Any]) -> tuple[list[Any], bool]:
        """The calls of a delta without their arguments, and whether that says anything."""
        taken, says = [], False
        for position, call in enumerate(calls):
            if not isinstance(call, dict):
                continue
            index = call.get("index")
            fresh, new = self._call("tool_calls", index if isinstance(index, int) else position, call)
            taken.append(fresh)
            says = says or new
        return taken, says

    def take_function(self, call: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """The same for the older `function_call`."""
        return self._member("function_call", 0, "", call)

    def finish(self) -> dict[str, Any]:
        """Members of a delta with all arguments. Raises StopMatchedError."""
        delta: dict[str, Any] = {}
        calls: dict[int, dict[str, Any]] = {}
        for (kind, index, member, name), parts in self._parts.items():
            text = self._rules.arguments("".join(parts))
            if kind == "function_call":
                delta[kind] = {name: text}
            else:
                calls.setdefault(index, {"index": index})[member] = {name: text}
        self._parts.clear()
        return {**delta, "tool_calls": list(calls.values())} if calls else delta

    def _call(self, kind: str, index: int, call: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        fresh: dict[str, Any] = {}
        says = False
        for key, value in call.items():
            if isinstance(value, dict):
                fresh[key], new = self._member(kind, index, key, value)
            else:
                fresh[key], new = self._rules.apart(value), key != "index" and value is not None
            says = says or new
        return fresh, says

    def _member(self, kind: str, index: int, member: str, value: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        fresh: dict[str, Any] = {}
        says = False
        for name, item in value.items():
            if name in _WRITTEN and isinstance(item, str):
                self._size += len(item)
                if self._size > MAX_ARGUMENT_BYTES:
                    raise TooManyArgumentsError(f"more than {MAX_ARGUMENT_BYTES}")
                if item:
                    self._parts.setdefault((kind, index, member, name), []).append(item)
                fresh[name] = ""
            else:
                fresh[name] = self._rules.apart(item)
                says = says or item is not None
        return fresh, says
