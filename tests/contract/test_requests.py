"""Every request of every service is held to its contract, and the quick validator says what protovalidate says."""

from __future__ import annotations

import pytest
from amas_chassis.contract_rules import compile_rules
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.validation import problems, reference_problems, validate
from google.protobuf.descriptor import Descriptor

from .methods import METHODS, REQUESTS
from .samples import breaches, least

# Requests that say nothing, and so have no rule to break.
WITHOUT_RULES = {
    "amas.audit.v1.GetCheckpointRequest",
    "amas.gateway.v1.GetCheckpointRequest",
    "amas.policy.v1.GetRevocationsVersionRequest",
}
# protovalidate takes some 10 us for a short list's item in a rule and megabytes take seconds; beyond this size only the
# quick validator is asked (bytes).
REFERENCE_LIMIT = 200_000

for_every_request = pytest.mark.parametrize("request_type", REQUESTS, ids=lambda each: each.full_name)


def test_the_services_are_found() -> None:
    """The tests below look at all services; an empty list would prove nothing."""
    assert {method.containing_service.full_name for method in METHODS} >= {
        "amas.audit.v1.AuditService",
        "amas.gateway.v1.ApprovalsService",
        "amas.gateway.v1.AuditService",
        "amas.gateway.v1.ResourcesService",
        "amas.gateway.v1.RevocationsService",
        "amas.gateway.v1.RunsService",
        "amas.orchestrator.v1.OrchestratorService",
        "amas.policy.v1.PolicyService",
        "amas.router.v1.RouterService",
    }


@for_every_request
def test_the_least_valid_request_is_accepted(request_type: Descriptor) -> None:
    """A request with only what its rules ask for is accepted, by both validators."""
    message = least(request_type)
    assert list(problems(message)) == []
    assert reference_problems(message) == []


@for_every_request
def test_every_breach_of_a_rule_is_refused_and_named(request_type: Descriptor) -> None:
    """I11: a request that breaks one rule is refused with INVALID_ARGUMENT and the field's path."""
    paths = []
    for path, message in breaches(request_type):
        with pytest.raises(AmasError) as caught:
            validate(message)
        assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
        assert path in [violation.field for violation in caught.value.violations]
        paths.append(path)
    assert bool(paths) != (request_type.full_name in WITHOUT_RULES)


# For the longest list protovalidate needs half a minute of a core that it has for itself.
@pytest.mark.timeout(600)
@for_every_request
def test_both_validators_agree(request_type: Descriptor) -> None:
    """The compiled rules and protovalidate give the same fields and the same words for every breach."""
    for _, message in breaches(request_type):
        if message.ByteSize() < REFERENCE_LIMIT:
            assert list(problems(message)) == reference_problems(message)


@for_every_request
def test_every_request_is_checked_by_compiled_rules(request_type: Descriptor) -> None:
    """No request type falls back to protovalidate, which takes milliseconds; a new kind of rule is taught first."""
    assert compile_rules(request_type) is not None
