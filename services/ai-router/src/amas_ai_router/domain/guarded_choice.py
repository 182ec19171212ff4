"""One choice of a streamed answer under a route's response rules. Its finish reason never overtakes its text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amas_governance.dlp import ScanRefused

from .delta_texts import LABELS, DeltaTexts, TooManyTextsError
from .held_calls import HeldCalls, TooManyArgumentsError
from .held_logprobs import HeldLogprobs
from .json_texts import TooDeepError
from .text_rules import UNSCANNABLE, StopMatchedError, TextRules

STOPPED = "content_filter"
"""What a choice that a rule ended gives as its reason (OpenAI's word for it)."""
# Members of a choice that say nothing of what the model wrote. Others may, and do not pass where texts are redacted or
# stopped.
_KNOWN = frozenset(
    {"index", "finish_reason", "content_filter_results", "content_filter_offsets", "native_finish_reason"}
)

_Choice = dict[str, Any]


class GuardedChoice:
    """`ended` once its finish reason is out, after which nothing passes; `stopped` if a rule ended it."""

    def __init__(self, index: int, rules: TextRules) -> None:
        self.ended = False
        self.stopped = False
        self._index = index
        self._rules = rules
        self._texts = DeltaTexts(rules)
        self._calls = HeldCalls(rules)
        self._logprobs = HeldLogprobs()

    def feed(self, choice: _Choice) -> list[_Choice]:
        """What may go on, in its order, one a chunk; the last stands for the choice that came."""
        return self._judged(lambda: self._feed(choice))

    def end(self) -> list[_Choice]:
        """What was held back of a choice that never gave a reason to end."""
        return self._judged(lambda: self._finish(None, []))

    def _judged(self, work: Callable[[], list[_Choice]]) -> list[_Choice]:
        if self.ended:
            return []
        try:
            return work()
        except (ScanRefused, TooDeepError, TooManyTextsError, TooManyArgumentsError):
            # What cannot be judged does not go on.
            self._rules.findings[UNSCANNABLE] += 1
            self.ended = self.stopped = True
            return [self._part({}, finish_reason=STOPPED)]

    def _feed(self, choice: _Choice) -> list[_Choice]:
        before = self._texts.at("content").received
        delta, says = self._delta(choice.get("delta"))
        logprobs = self._tokens(choice.get("logprobs"), before)
        free = not self._rules.redact and self._rules.stop is None
        rest = {key: value for key, value in choice.items() if free or key in _KNOWN}
        rest |= {"index": self._index, "delta": delta}
        if "logprobs" in choice or logprobs is not None:
            rest["logprobs"] = logprobs
        if choice.get("finish_reason") or self._texts.stopped:
            part = {**rest, "finish_reason": None} if says or logprobs is not None else None
            return self._finish({**rest, "delta": {}}, [] if part is None else [part])
        return [rest] if says or logprobs is not None else []

    def _finish(self, last: _Choice | None, out: list[_Choice]) -> list[_Choice]:
        """The rest of everything and, after it, the reason. A choice that a rule ended calls no tool."""
        self.ended = True
        rest = self._texts.finish()
        self.stopped = self._texts.stopped
        if not self.stopped:
            try:
                rest |= self._calls.finish()
            except StopMatchedError:
                self.stopped = True
        tokens = self._logprobs.ready(self._texts.at("content"), ended=True)
        if tokens:
            out = [*out, self._part(rest, logprobs={"content": tokens})]
        elif rest:
            out = [*out, self._part(rest)]
        if last is not None:
            last.pop("logprobs", None)
            return [*out, {**last, "finish_reason": STOPPED} if self.stopped else last]
        return [*out, self._part({}, finish_reason=STOPPED)] if self.stopped else out

    def _delta(self, given: Any) -> tuple[dict[str, Any], bool]:
        delta: dict[str, Any] = {}
        says = False
        for key, value in given.items() if isinstance(given, dict) else ():
            if key in LABELS:
                delta[key], new = value, bool(value)
            elif key == "tool_calls" and isinstance(value, list):
                delta[key], new = self._calls.take(value)
            elif key == "function_call" and isinstance(value, dict):
                delta[key], new = self._calls.take_function(value)
            else:
                delta[key], new = self._texts.take(key, value)
            says = says or new
        return delta, says

    def _tokens(self, logprobs: Any, before: int) -> dict[str, Any] | None:
        """Log probabilities that may go on with this chunk; they spell texts out."""
        if not self._rules.redact and self._rules.stop is None:
            return logprobs if isinstance(logprobs, dict) else None
        text = self._texts.at("content")
        given = logprobs.get("content") if isinstance(logprobs, dict) else None
        if isinstance(given, list) and given:
            self._logprobs.add(given, before, text.received)
        tokens = self._logprobs.ready(text, ended=False)
        return {"content": tokens} if tokens else None

    def _part(self, delta: dict[str, Any], **members: Any) -> _Choice:
        return {"index": self._index, "delta": delta, "finish_reason": None, **members}
