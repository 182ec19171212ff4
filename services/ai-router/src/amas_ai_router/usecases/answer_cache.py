"""The place of caches in a call's way: an answer that is kept, one that another call is just getting, or a model's.

It is asked after policy and clearance, never instead of them. It raises nothing of its own: without a store, calls go
on as if nothing were kept.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from amas_ai_router.domain.cache_keys import CacheKey, CacheKeys, asks_for_an_effect
from amas_ai_router.domain.cached_answers import CachedAnswer, keepable, seal, unseal
from amas_ai_router.domain.model import Operation

from .admit_call import Admission
from .semantic_lookup import SemanticLookup, Tried
from .single_flight import SingleFlight, Turn


class Slot(Protocol):
    """One call's dealings with the caches. `hit` is an answer to give; without one, the model's may be kept."""

    hit: CachedAnswer | None

    async def keep(self, answer: CachedAnswer) -> None:
        """Keeps an answer, if the route says so and it is whole and good. At most once."""
        ...

    async def __aenter__(self) -> Self:
        """Looks, and waits for an equal call under way."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets those who wait go on."""
        ...


class _NullSlot:
    """For calls that no cache has a part in. Without state, so that all share one."""

    hit: CachedAnswer | None = None

    async def keep(self, answer: CachedAnswer) -> None:
        """Keeps nothing."""

    async def __aenter__(self) -> Self:
        """Does nothing."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Does nothing."""


class AnswerCache:
    """Memo and semantic cache, as each call's route asks for them."""

    def __init__(self, flights: SingleFlight, semantic: SemanticLookup, keys: CacheKeys) -> None:
        self.flights = flights
        self.semantic = semantic
        self.keys = keys
        self._null = _NullSlot()

    def slot(self, admission: Admission, *, stream: bool) -> Slot:
        """To be used in `async with`. Costs next to nothing where the route asks for no cache."""
        cache = admission.route.spec.cache
        if cache.memo is None and (cache.semantic is None or admission.operation is not Operation.CHAT):
            return self._null
        return self._null if asks_for_an_effect(admission.fields) else _CallSlot(self, admission, stream=stream)

    async def drain(self) -> None:
        """Gives leases up before an exit; bounded."""
        await self.flights.drain()


class _CallSlot:
    """A call whose route asks for a cache."""

    def __init__(self, cache: AnswerCache, admission: Admission, *, stream: bool) -> None:
        self.hit: CachedAnswer | None = None
        self._cache = cache
        self._admission = admission
        self._stream = stream
        self._key: CacheKey | None = None
        self._turn: Turn | None = None
        self._tried: Tried | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._look()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    async def _look(self) -> None:
        admission, label = self._admission, self._admission.context.label
        if admission.route.spec.cache.memo is not None:
            key = self._cache.keys.memo(
                admission.context, admission.operation, admission.route, admission.fields, stream=self._stream
            )
            self._key = key
            if admission.context.no_cache:
                self._turn = self._cache.flights.alone(key)
            else:
                self._turn = await self._cache.flights.begin(
                    key, lambda value: unseal(value, key.digest, label, "memo")
                )
                self.hit = self._turn.answer
        if self.hit is None:
            self._tried = await self._cache.semantic.look(admission, stream=self._stream)
            self.hit = self._tried.hit if self._tried is not None else None
            if self.hit is not None and self._turn is not None:
                # Equal calls that wait get it too; it is not memoised, since it is no answer to exactly this request.
                self._turn.share(self.hit)

    async def keep(self, answer: CachedAnswer) -> None:
        """Port `Slot`."""
        admission, memo = self._admission, self._admission.route.spec.cache.memo
        if self.hit is not None:
            return
        if not keepable(answer, admission.operation, admission.fields, stream=self._stream):
            if self._turn is not None:
                self._turn.unshared()
            return
        if self._turn is not None and self._key is not None and memo is not None:
            await self._turn.keep(answer, seal(answer, self._key.digest, admission.context.label), memo.ttl)
        if self._tried is not None:
            await self._cache.semantic.learn(admission, self._tried, answer, stream=self._stream)

    def _end(self) -> None:
        if self._turn is not None:
            self._turn.end()
