"""What is put on record when a cache answers: no model was asked, nothing is billed, and what that saved is told."""

from __future__ import annotations

from decimal import Decimal

from amas_ai_router.domain.cached_answers import CachedAnswer
from amas_ai_router.domain.model import CallReport, ModelRequest, Tokens, Usage
from amas_ai_router.domain.records import Answer, call_id_for, scope_of


def cached_answer(request: ModelRequest, hit: CachedAnswer, response_digest: str) -> Answer:
    """The hit as an answer of its own; `saved` is what the kept one cost when it was made."""
    report = CallReport(
        call_id=call_id_for(scope_of(request.context)),
        provider=hit.provider,
        model=hit.model,
        usage=Usage(Tokens(0, 0, 0), Decimal(0), hit.usage.currency),
        attempts=0,
        duration_ms=0,
        cache=hit.kind,
        saved=hit.usage.cost,
    )
    return Answer(report, hit.body, request.body, response_digest, hit.finish)
