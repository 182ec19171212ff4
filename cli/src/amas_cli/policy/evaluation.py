"""Puts many inputs to a folder's policies in one OPA process. An input on which evaluation fails is found and named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .opa import OpaRefusedError, ask_opa
from .sources import QUERY, Sources

_ALL = f"{{i: decision | some i, document in input.documents; decision := {QUERY} with input as document}}"


@dataclass(frozen=True)
class Answer:
    """What the policies said about one input."""

    decision: Any = None
    """None where they decided nothing."""
    fault: str = ""
    """Why evaluation failed; empty where it did not."""


def decide(sources: Sources, documents: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """An answer for each input, in their order. OpaRefusedError for policies that do not compile."""
    ask_opa("check", "--format", "json", *sources.policies)
    return _decide(sources, documents) if documents else []


def _decide(sources: Sources, documents: Sequence[Mapping[str, Any]]) -> list[Answer]:
    given = json.dumps({"documents": list(documents)})
    try:
        answer = ask_opa("eval", "--format", "json", "--stdin-input", *sources.data_flags(), _ALL, given=given)
    except OpaRefusedError as error:
        if len(documents) == 1:
            return [Answer(fault=str(error))]
        # One input fails the whole evaluation, so it is looked for by halves.
        half = len(documents) // 2
        return [*_decide(sources, documents[:half]), *_decide(sources, documents[half:])]
    found = answer["result"][0]["expressions"][0]["value"]
    return [Answer(found.get(str(number))) for number in range(len(documents))]
