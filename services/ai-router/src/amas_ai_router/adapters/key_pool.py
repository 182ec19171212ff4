"""Spreads calls over the keys of a provider, and lets a key rest that the provider limits or refuses.

A key rests alone: for one model after a 429, since providers limit models apart, and behind all others after a refusal,
until its file changes. A refused key is never a reason not to ask, so that nobody can talk a key out of service. Names
of key files may be logged, keys never.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Target

from .key_files import Key, KeyFiles

T = TypeVar("T")
# Keys by model whose state is kept; one that is forgotten counts as rested.
MAX_STATES = 4096
# Seconds that a refused key stands behind the others; a new file ends it at once.
REFUSED_REST = 300.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _State:
    """Until when a key rests (monotonic seconds), and when it was used and limited last."""

    limited_until: float = 0.0
    refused_until: float = 0.0
    refused_stamp: tuple[int, int, int] | None = None
    limited_at: float = 0.0
    used: int = 0


class KeyPool:
    """Keys for attempts. One pool for all providers of the process."""

    def __init__(self, files: KeyFiles, *, now: Callable[[], float] = time.monotonic) -> None:
        self._files = files
        self._now = now
        self._states: BoundedCache[tuple[str, str, str], _State] = BoundedCache(MAX_STATES)
        self._uses = 0

    async def run(self, target: Target, call: Callable[[str | None], Awaitable[T]]) -> T:
        """Makes a call with a key; with the next one, each at most once, where the provider did not take the first.

        Raises AttemptError: RATE_LIMITED with the soonest time at which a key is free if all rest, KEY_REFUSED,
        KEY_MISSING, or whatever the call raises.
        """
        names = target.key_files
        if not names:
            return await call(None)
        tried: set[str] = set()
        last: AttemptError | None = None
        while (picked := self._pick(target, tried)) is not None:
            name, state = picked
            tried.add(name)
            self._uses += 1
            state.used = self._uses
            try:
                key = self._files.read(name)
                return await call(key.text)
            except AttemptError as error:
                if error.reason is FailureReason.RATE_LIMITED:
                    self._limited(target, name, state, error)
                elif error.reason is FailureReason.KEY_REFUSED:
                    self._refused(target, name, state, key)
                elif error.reason is not FailureReason.KEY_MISSING:
                    raise
                last = error
        raise self._none_left(target) or last or AttemptError(FailureReason.KEY_MISSING, "no key")

    def _pick(self, target: Target, tried: set[str]) -> tuple[str, _State] | None:
        """The free key that was used longest ago; after a failure the one limited longest ago; a refused one alone."""
        now = self._now()
        free: list[tuple[str, _State]] = []
        refused: list[tuple[str, _State]] = []
        for name in target.key_files:
            state = self._state(target, name)
            if name in tried or state.limited_until > now:
                continue
            (refused if self._is_refused(name, state, now) else free).append((name, state))
        if free:
            return min(free, key=(lambda one: one[1].limited_at) if tried else (lambda one: one[1].used))
        if refused and not tried:
            return min(refused, key=lambda one: one[1].used)
        return None

    def _state(self, target: Target, name: str) -> _State:
        place = (target.base_url, target.model, name)
        state = self._states.get(place)
        if state is None:
            state = _State()
            self._states.put(place, state)
        return state

    def _is_refused(self, name: str, state: _State, now: float) -> bool:
        if state.refused_until <= now:
            return False
        try:
            return self._files.read(name).stamp == state.refused_stamp
        except AttemptError:
            return True

    def _limited(self, target: Target, name: str, state: _State, error: AttemptError) -> None:
        now = self._now()
        rest = target.key_cooldown if error.retry_after is None else error.retry_after
        state.limited_at, state.limited_until = now, now + rest
        _log.info("key %s of %s rests for %.0f s: rate limited", name, target.name, rest)

    def _refused(self, target: Target, name: str, state: _State, key: Key) -> None:
        state.refused_until, state.refused_stamp = self._now() + REFUSED_REST, key.stamp
        _log.warning("key %s of %s was refused by the provider", name, target.name)

    def _none_left(self, target: Target) -> AttemptError | None:
        """RATE_LIMITED if waiting would help."""
        now = self._now()
        ends = [self._state(target, name).limited_until for name in target.key_files]
        waits = [end - now for end in ends if end > now]
        if not waits:
            return None
        return AttemptError(FailureReason.RATE_LIMITED, "all keys rest", retry_after=min(waits))
