"""The ledger goes away while a provider is at work: what audit knows then."""

from __future__ import annotations

from typing import Any

import pytest
from amas_ai_router.domain.errors import ModelCallError
from amas_ai_router.domain.records import MODEL_CALLED, MODEL_REFUSED

from .fakes import Router, answer


async def test_an_answer_that_cannot_be_kept_under_its_key_is_withheld_and_that_is_on_record(router: Router) -> None:
    """The ledger goes away while the provider is at work: it was asked in vain, and audit knows."""

    async def ledger_goes() -> Any:
        router.ledger.away = True
        return answer()

    router.providers.will("p0/m", ledger_goes)
    with pytest.raises(ModelCallError) as caught:
        await router.do.complete.run(router.request(idempotency_key="k"))
    assert caught.value.reason == "LEDGER_UNAVAILABLE"
    assert router.audit.data(MODEL_CALLED) == []
    assert [data["reason"] for data in router.audit.data(MODEL_REFUSED)] == ["LEDGER_UNAVAILABLE"]


async def test_an_answer_without_a_key_that_the_ledger_cannot_take_is_on_record_once(router: Router) -> None:
    """Audit is told of it beside the ledger: that is its record, and there is no second one."""

    async def ledger_goes() -> Any:
        router.ledger.away = True
        return answer()

    router.providers.will("p0/m", ledger_goes)
    with pytest.raises(ModelCallError) as caught:
        await router.do.complete.run(router.request())
    assert caught.value.reason == "LEDGER_UNAVAILABLE"
    assert (len(router.audit.data(MODEL_CALLED)), len(router.audit.data(MODEL_REFUSED))) == (1, 0)
