"""A route's response rules on the answer of one call, whole or as a stream: what may come back from a model.

Chunks keep their shape. A chunk whose text is held back goes on without it if it says something else, and not at all if
it does not. The guard must see every chunk; what it gives back is all that a client may see.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import orjson
from amas_governance.dlp import ScanRefused
from amas_governance.resources import ResponseRules

from .guarded_choice import GuardedChoice
from .json_texts import TooDeepError
from .pseudonyms import Pseudonyms
from .stop_rules import compiled
from .text_rules import UNSCANNABLE, TextRules
from .whole_answer import guarded

# Choices of one answer that are followed; OpenAI gives 128 at most. What is beyond it is dropped.
MAX_CHOICES = 128
# Members of a chunk that are no texts of a model.
_PLAIN = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "obfuscation"}
)


def make_guard(spec: ResponseRules, pseudonyms: Pseudonyms | None, *, choices: int = 1) -> ResponseGuard | None:
    """The guard of one call, or None where a route has no rules and nothing is to be put back.

    `choices` is how many the request asks for (`n`).
    """
    if not spec.redact and not spec.stop and pseudonyms is None:
        return None
    stop = compiled(spec.stop) if spec.stop else None
    return ResponseGuard(TextRules(frozenset(spec.redact), stop, pseudonyms), choices)


class ResponseGuard:
    """For one answer."""

    def __init__(self, rules: TextRules, wanted: int) -> None:
        self._rules = rules
        self._wanted = wanted
        self._choices: dict[int, GuardedChoice] = {}
        # The last chunk without its choices, for those that are made here.
        self._head: dict[str, Any] = {}

    @property
    def findings(self) -> Mapping[str, int]:
        """How often each detector found something; `unscannable` for what was withheld unjudged."""
        return self._rules.findings

    @property
    def stopped(self) -> bool:
        """Whether a rule has ended what was left of the answer: the provider has nothing to say any more."""
        choices = self._choices.values()
        return (
            len(choices) >= self._wanted
            and all(choice.ended for choice in choices)
            and any(choice.stopped for choice in choices)
        )

    def whole(self, fields: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """A whole answer as it may go out, and whether that differs from what came."""
        fresh = guarded(fields, self._rules)
        return fresh, fresh is not fields

    def feed(self, chunk: bytes) -> list[bytes]:
        """The chunks that may go out now. `chunk` is a JSON object that was parsed before. May be empty."""
        fields = orjson.loads(chunk)
        choices = fields.get("choices")
        head = {key: value for key, value in fields.items() if key not in ("choices", "usage")}
        if head.keys() - _PLAIN:
            head = self._judged(head)
        self._head = head
        if not isinstance(choices, list) or not choices:
            return [orjson.dumps({**head, **{key: fields[key] for key in ("choices", "usage") if key in fields}})]
        return self._chunks([self._fed(choice) for choice in choices], fields)

    def end(self) -> list[bytes]:
        """What was held back when the provider is done, or has broken off."""
        return self._chunks([choice.end() for choice in self._choices.values()], {})

    def _fed(self, choice: Any) -> list[dict[str, Any]]:
        index = choice.get("index", 0) if isinstance(choice, dict) else None
        if not isinstance(index, int):
            return []
        known = self._choices.get(index)
        if known is None:
            if len(self._choices) >= MAX_CHOICES:
                return []
            known = self._choices[index] = GuardedChoice(index, self._rules)
        return known.feed(choice)

    def _chunks(self, choices: list[list[dict[str, Any]]], fields: dict[str, Any]) -> list[bytes]:
        """What several choices give, each in its order; what was used so far rides in the last chunk."""
        waves: list[list[Any]] = [[part for part in wave if part is not None] for wave in zip_longest(*choices)]
        if not waves and fields.get("usage") is not None:
            waves = [[]]
        last = len(waves) - 1
        chunks = []
        for number, wave in enumerate(waves):
            fresh = {**self._head, "choices": wave}
            if "usage" in fields:
                fresh["usage"] = fields["usage"] if number == last else None
            chunks.append(orjson.dumps(fresh))
        return chunks

    def _judged(self, head: dict[str, Any]) -> dict[str, Any]:
        """Members that providers add, citations for one, come whole."""
        others: dict[str, Any] = {}
        try:
            others = self._rules.apart({key: value for key, value in head.items() if key not in _PLAIN})
        except (ScanRefused, TooDeepError):
            self._rules.findings[UNSCANNABLE] += 1
        return {key: value for key, value in head.items() if key in _PLAIN} | others
