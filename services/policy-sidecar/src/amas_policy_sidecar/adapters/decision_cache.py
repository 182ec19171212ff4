"""Remembers what the policy engine decided: one question, one answer, for as long as the bundle is held.

Sound because a decision depends on nothing but the policies and the document: both engines refuse policies that could
look at a clock, a random number or the network, the policies are named by the bundle's digest, and the key covers the
whole document. Errors and answers that are no decision are never kept, and nothing outlives its bundle.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from amas_governance.bundle import PolicySet

from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.policy_document import Verdict
from amas_policy_sidecar.ports import PolicyEngine

# Decisions kept over all bundles: some MB, since one has some hundred bytes.
MAX_ENTRIES = 8192
# Bytes of the largest decision that is kept: a policy may name many reasons.
MAX_ENTRY_BYTES = 16 * 1024

Key = tuple[str, bytes]
"""Bundle, and digest of the document."""


class DecisionCache:
    """The policy engine, with a memory. `seen` is told of each question: hit, joined or miss."""

    def __init__(self, engine: PolicyEngine, seen: Callable[[str], None]) -> None:
        self._engine = engine
        self._seen = seen
        self._kept: OrderedDict[Key, str] = OrderedDict()
        self._asked: dict[Key, asyncio.Task[Mapping[str, Any]]] = {}

    async def load(self, bundle: str, policies: PolicySet) -> None:
        """See PolicyEngine."""
        await self._engine.load(bundle, policies)

    async def check(self) -> None:
        """See PolicyEngine."""
        await self._engine.check()

    async def decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """See PolicyEngine; equal questions at the same time are asked once, and share an error too."""
        key = (bundle, _digest(document))
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            self._seen("hit")
            answer: Mapping[str, Any] = json.loads(kept)
            return answer
        asked = self._asked.get(key)
        self._seen("miss" if asked is None else "joined")
        if asked is None:
            asked = asyncio.ensure_future(self._engine.decide(bundle, document))
            self._asked[key] = asked
            asked.add_done_callback(lambda done: self._answered(key, done))
        # A caller that gives up must not take the answer from the others.
        return await asyncio.shield(asked)

    def forget(self, bundle: str) -> None:
        """The bundle is no longer held: nothing that was decided under it is answered again."""
        for key in [key for key in self._kept if key[0] == bundle]:
            del self._kept[key]
        for key in [key for key in self._asked if key[0] == bundle]:
            del self._asked[key]

    def _answered(self, key: Key, done: asyncio.Task[Mapping[str, Any]]) -> None:
        mine = self._asked.get(key) is done
        if mine:
            del self._asked[key]
        # Looked at in any case, so that an error that nobody waited for is no warning.
        if done.cancelled() or done.exception() is not None or not mine:
            return
        try:
            Verdict(done.result())
        except Denied:
            return
        text = json.dumps(done.result(), separators=(",", ":"), ensure_ascii=False)
        if len(text.encode()) > MAX_ENTRY_BYTES:
            return
        self._kept[key] = text
        while len(self._kept) > MAX_ENTRIES:
            self._kept.popitem(last=False)


def _digest(document: Mapping[str, Any]) -> bytes:
    # Equal texts are equal documents; that 1 and 1.0 are two costs a question, never a wrong answer.
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
