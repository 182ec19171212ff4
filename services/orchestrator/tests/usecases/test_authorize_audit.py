"""Who may do what with the audit log, on fakes: the tenant's policy is asked, not told whose (invariants I1, I8)."""

from __future__ import annotations

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_orchestrator.domain.model import Json
from amas_orchestrator.ports import Actor
from amas_orchestrator.usecases.ask_administration import AskAdministration
from amas_orchestrator.usecases.authorize_audit import AuditVerb, AuthorizeAudit

from .. import resources
from ..fakes import ADMIN
from ..world import World, policies


def says_nothing(actor: Actor, messages: list[Json]) -> Json:
    raise AssertionError("nobody asks a model")


@pytest.mark.parametrize("verb", list(AuditVerb))
async def test_the_tenants_policy_decides_of_one_run_or_of_all(verb: AuditVerb) -> None:
    """The active bundle's policies are asked, once each time; their no is the caller's error."""
    made = World(resources.bundle_of(resources.SHARED, resources.role("worker"), resources.SINGLE), says_nothing)
    authorize = AuthorizeAudit(made.bundles, AskAdministration(made.enforcer, policies()))
    await authorize(ADMIN, verb, "run-1")
    await authorize(ADMIN, verb)
    made.enforcer.denies = {verb.value}
    with pytest.raises(AmasError) as caught:
        await authorize(ADMIN, verb)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.PERMISSION_DENIED, "ADMIN_ROLE_MISSING")
    run, tenant = (("Run", "run-1"),), (("Tenant", "acme"),)
    assert [(asked, what) for _, asked, what in made.enforcer.administered] == [
        (verb.value, run),
        (verb.value, tenant),
        (verb.value, tenant),
    ]
    assert {digest for digest, _, _ in made.enforcer.administered} == set(made.bundles.bundles)
