"""Who may erase contents of the audit log, on fakes: the tenant's policy is asked, not told whose (I1)."""

from __future__ import annotations

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_orchestrator.domain.model import Json
from amas_orchestrator.ports import Actor
from amas_orchestrator.usecases.ask_administration import AskAdministration
from amas_orchestrator.usecases.authorize_erasure import AuthorizeErasure

from .. import resources
from ..fakes import ADMIN
from ..world import World, policies


def says_nothing(actor: Actor, messages: list[Json]) -> Json:
    raise AssertionError("nobody asks a model")


async def test_the_tenants_policy_decides() -> None:
    """Its no is the caller's error."""
    made = World(resources.bundle_of(resources.SHARED, resources.role("worker"), resources.SINGLE), says_nothing)
    authorize = AuthorizeErasure(made.bundles, AskAdministration(made.enforcer, policies()))
    await authorize(ADMIN)
    made.enforcer.denies = {"eraseContents"}
    with pytest.raises(AmasError) as caught:
        await authorize(ADMIN)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.PERMISSION_DENIED, "ADMIN_ROLE_MISSING")
    tenant = (("Tenant", "acme"),)
    assert [(verb, what) for _, verb, what in made.enforcer.administered] == [("eraseContents", tenant)] * 2
