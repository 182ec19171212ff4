"""Answers an embeddings request."""

from __future__ import annotations

from amas_ai_router.domain.model import CallReport, ModelRequest, Operation

from .call_model import CallModel


class Embed:
    """The same way as a completion: same checks, same records."""

    def __init__(self, call: CallModel) -> None:
        self._call = call

    async def run(self, request: ModelRequest) -> tuple[bytes, CallReport]:
        """See CallModel.run."""
        return await self._call.run(request, Operation.EMBEDDINGS)
