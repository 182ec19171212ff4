"""The outcome is on the record before anyone is answered; until then the answer is held for its key (invariant I2).

What is held is bounded, and while it is full no further action begins: nothing happens that could not be recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amas_chassis.errors import AmasError

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.errors import key_reused, unavailable
from amas_policy_sidecar.domain.model import Enforced
from amas_policy_sidecar.domain.records import replay

from .attempts import Identity
from .record_action import RecordAction

# Answers held while audit is away; each is at most two results (results.MAX_RESULT).
MAX_HELD = 64


@dataclass(frozen=True)
class _Held:
    fingerprint: str
    case: Case
    key: str
    data: Mapping[str, Any]
    answer: Enforced


class RecordOutcome:
    """Records outcomes, and holds those that could not be recorded yet."""

    def __init__(self, record: RecordAction) -> None:
        self._record = record
        self._held: dict[Identity, _Held] = {}

    async def __call__(
        self, case: Case, key: str, data: Mapping[str, Any], answer: Enforced, identity: Identity, fingerprint: str
    ) -> Enforced:
        """The answer once it is on the record; on an error of audit it is held, and the error goes to the caller."""
        held = _Held(fingerprint, case, key, data, answer)
        self._held[identity] = held
        return await self._settle(identity, held)

    async def deliver(self, identity: Identity, fingerprint: str) -> Enforced | None:
        """The held answer of this key, recorded now; None if none is held."""
        held = self._held.get(identity)
        if held is None:
            return None
        if held.fingerprint != fingerprint:
            raise key_reused()
        return await self._settle(identity, held)

    def refuse_if_full(self) -> None:
        """Raises AmasError while too many outcomes wait for audit."""
        if len(self._held) >= MAX_HELD:
            raise unavailable("AUDIT_UNAVAILABLE", "earlier outcomes are not on the record yet", retry_after=1.0)

    async def flush(self) -> None:
        """Try once more to record what is held; for the drain."""
        for identity, held in list(self._held.items()):
            try:
                await self._settle(identity, held)
            except AmasError:
                continue

    async def _settle(self, identity: Identity, held: _Held) -> Enforced:
        standing = await self._record.outcome(held.case, held.key, held.data)
        self._held.pop(identity, None)
        return held.answer if standing is held.data else replay(standing)
