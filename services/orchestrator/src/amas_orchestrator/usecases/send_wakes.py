"""Wakes runs whose approvals are decided. The decision is in the table; the message only says so, and is sent again
until it surely was, so that a crash between the two loses nothing.
"""

from __future__ import annotations

from amas_orchestrator.ports import ApprovalStore, Engine

BATCH = 64


class SendWakes:
    """Sends what is to be sent; called after a decision and every few seconds."""

    def __init__(self, approvals: ApprovalStore, engine: Engine) -> None:
        self._approvals = approvals
        self._engine = engine

    async def __call__(self) -> int:
        """How many messages were sent."""
        due = await self._approvals.unsent_wakes(BATCH)
        for approval in due:
            await self._engine.send(approval.workflow_id, approval.id, {"state": approval.state.value}, approval.id)
            await self._approvals.wake_sent(approval.id)
        return len(due)
