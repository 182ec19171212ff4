"""Budgets over HTTP: those of the tenant's active bundle, in the words of the contract."""

from __future__ import annotations

import httpx
from amas.common.v1 import usage_pb2
from amas.router.v1 import router_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain import model
from amas_gateway.domain.model import BudgetQuery, PageQuery, Principal
from amas_gateway.telemetry import Instruments
from amas_gateway.usecases.list_budgets import ListBudgets
from amas_gateway.usecases.under_bundle import UnderBundle
from prometheus_client import CollectorRegistry

from .fake_services import FakeBundles, FakeModels, FakeUsage
from .fakes import DIGEST
from .rest_calls import bearer, check_problem
from .world import World

AUDITOR = Principal("auditor", "https://issuer.test", "acme", frozenset({"auditor"}), ())


class ForgetfulUsage(FakeUsage):
    """A router that has just started: it knows no bundle until one is handed over."""

    def __init__(self, models: FakeModels) -> None:
        self.models = models
        self.asked: list[tuple[Principal, str, BudgetQuery]] = []

    async def budgets(self, who: Principal, bundle: str, query: model.BudgetQuery) -> model.Page[object]:
        self.asked.append((who, bundle, query))
        if not self.models.knows_bundle:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "BUNDLE_UNKNOWN", "unknown bundle")
        left = usage_pb2.Money(amount="1", currency="USD")
        return model.Page([router_pb2.BudgetState(name="acme-daily", cost_limit=left)], "next")


async def test_the_bundle_is_handed_over_once() -> None:
    """Budgets are resources, so a router without the bundle gets it and is asked again."""
    models = FakeModels(knows_bundle=False)
    usage = ForgetfulUsage(models)
    verb = ListBudgets(UnderBundle(FakeBundles(), models, Instruments(CollectorRegistry())), usage)
    query = BudgetQuery("acme-daily", PageQuery(5, "token"))
    page = await verb(AUDITOR, query)
    assert page.next_page_token == "next"
    assert models.loaded == 1
    assert usage.asked == [(AUDITOR, DIGEST, query)] * 2


class NothingApplied(FakeBundles):
    """A tenant that is new here."""

    async def active(self, tenant: str) -> model.ActiveBundle:
        raise AmasError(ErrorKind.NOT_FOUND, "BUNDLE_NOT_FOUND", "there is no such bundle")


async def test_a_tenant_without_resources_has_no_budgets() -> None:
    """A newcomer who looks first is told that there are none, not that something is wrong."""
    models = FakeModels()
    under_bundle = UnderBundle(NothingApplied(), models, Instruments(CollectorRegistry()))
    page = await ListBudgets(under_bundle, ForgetfulUsage(models))(AUDITOR, BudgetQuery("", PageQuery()))
    assert (list(page.items), page.next_page_token) == ([], "")


async def test_states_are_answered_as_the_contract_names_them() -> None:
    """Money is a decimal text with its currency, counts are texts, and what is not bounded is not there."""
    transport = httpx.ASGITransport(World().http())
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=bearer("auditor")) as client:
        found = (await client.get("/v1/budgets?name=mine")).json()
        assert found["nextPageToken"] == ""
        (budget,) = found["budgets"]
        assert (budget["name"], budget["window"], budget["tokensUsed"]) == ("mine", "day", "7")
        assert budget["costUsed"] == {"amount": "1.25", "currency": "USD"}
        assert "costLimit" not in budget
        check_problem(await client.get(f"/v1/budgets?name={'x' * 64}"), 422, "REQUEST_INVALID")
        check_problem(await client.get("/v1/budgets", headers=bearer("approver")), 403, "ROLE_MISSING")
