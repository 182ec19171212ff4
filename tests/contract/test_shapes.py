"""The shapes that clients rely on: pages, resumable watches, principals."""

from __future__ import annotations

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from .methods import METHODS

# Lists that a bundle bounds (its tools, its models), and so are answered whole.
BOUNDED_BY_A_BUNDLE = {"amas.policy.v1.PolicyService.ListTools", "amas.router.v1.RouterService.ListModels"}
MAX_PAGE = 1_000
# A bounded list that is the same on each page, beside the page itself.
BESIDE_THE_PAGE = {"FindSubject": "keys"}

LISTS = [m for m in METHODS if m.name.startswith(("List", "Query", "Find")) and m.full_name not in BOUNDED_BY_A_BUNDLE]
PAGED = [m for m in METHODS if {"page_size", "page_token"} & set(m.input_type.fields_by_name)]
WATCHES = [m for m in METHODS if m.name.startswith("Watch")]
# A bundle is fetched by services for a tenant, by its digest, and the gateway refuses tokens of all tenants; nobody
# asks for these on a person's behalf.
FOR_SERVICES = {
    "amas.orchestrator.v1.OrchestratorService.GetBundle",
    "amas.orchestrator.v1.OrchestratorService.GetRevokedPrincipals",
}
ON_BEHALF = [m for m in METHODS if m.full_name.startswith("amas.orchestrator.") and m.full_name not in FOR_SERVICES]


def name(method: MethodDescriptor) -> str:
    """The full name of a method, as the test's id."""
    return str(method.full_name)


def field_type(message: Descriptor, field: str) -> int:
    """The type of a field, which must exist."""
    return int(message.fields_by_name[field].type)


def test_lists_are_the_paged_methods() -> None:
    """A method has pages if and only if it lists something without a bound."""
    assert {name(method) for method in LISTS} == {name(method) for method in PAGED}
    assert len(LISTS) >= 8


@pytest.mark.parametrize("method", LISTS, ids=name)
def test_a_list_has_pages(method: MethodDescriptor) -> None:
    """page_size with a bound, page_token, next_page_token, and one repeated field that holds the page."""
    request, response = method.input_type, method.output_type
    assert field_type(request, "page_size") == FieldDescriptor.TYPE_INT32
    rules = request.fields_by_name["page_size"].GetOptions().Extensions[validate_pb2.field].int32
    assert (rules.gte, rules.lte) == (0, MAX_PAGE)
    assert rules.HasField("gte")
    assert field_type(request, "page_token") == FieldDescriptor.TYPE_STRING
    assert field_type(response, "next_page_token") == FieldDescriptor.TYPE_STRING
    beside = BESIDE_THE_PAGE.get(method.name)
    assert len([field for field in response.fields if field.is_repeated and field.name != beside]) == 1


@pytest.mark.parametrize("method", WATCHES, ids=name)
def test_a_watch_can_be_resumed(method: MethodDescriptor) -> None:
    """A watch streams, and starts after the last event that the client saw."""
    assert method.server_streaming
    assert field_type(method.input_type, "after_sequence") == FieldDescriptor.TYPE_INT64
    assert field_type(method.output_type, "sequence") == FieldDescriptor.TYPE_INT64


@pytest.mark.parametrize("method", ON_BEHALF, ids=name)
def test_what_the_gateway_asks_for_says_for_whom(method: MethodDescriptor) -> None:
    """I8: every request to the orchestrator names the principal, and a request without one is refused."""
    principal = method.input_type.fields_by_name["principal"]
    assert principal.message_type.full_name == "amas.common.v1.Principal"
    assert principal.GetOptions().Extensions[validate_pb2.field].required
