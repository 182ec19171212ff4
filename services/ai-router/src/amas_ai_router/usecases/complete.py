"""Answers a Chat Completions request in one piece."""

from __future__ import annotations

from amas_ai_router.domain.model import CallReport, ModelRequest, Operation

from .call_model import CallModel


class Complete:
    """The body says nothing of streams: who wants one calls StreamComplete."""

    def __init__(self, call: CallModel) -> None:
        self._call = call

    async def run(self, request: ModelRequest) -> tuple[bytes, CallReport]:
        """See CallModel.run."""
        return await self._call.run(request, Operation.CHAT)
