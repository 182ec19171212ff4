"""sensitive: which arguments must be traced, and that nothing a model writes gets round it (invariant I6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from amas_governance.provenance import TrustedValues
from amas_governance.resources import parse_manifest
from amas_governance.resources.manifests import ManifestError
from amas_governance.sensitive import MAX_PATHS, judge_arguments
from hypothesis import given
from hypothesis import strategies as st

ITEM = {"type": "object", "properties": {"account": {"type": "string"}, "amount": {"type": "number"}}}
SCHEMA = {
    "type": "object",
    "properties": {
        "to": {"type": ["string", "array"]},
        "body": {"type": "string"},
        "items": {"type": "array", "items": ITEM},
        "urgent": {"type": "boolean"},
    },
}
KNOWN = TrustedValues.of(["billing@acme.test", "DE-4711", "T-1000"])


def judge(
    arguments: Mapping[str, Any],
    declared: Sequence[str] | None = None,
    narrowings: Sequence[Mapping[str, Any]] = (),
    trusted: TrustedValues | None = KNOWN,
) -> dict[str, bool]:
    """Paths and whether they are trusted."""
    found = judge_arguments(arguments, declared=declared, schema=SCHEMA, narrowings=narrowings, trusted=trusted)
    return {argument.path: argument.trusted for argument in found}


def test_only_what_is_declared_is_sensitive() -> None:
    """A body may hold what an attacker wrote, once the contract says that it decides nothing."""
    assert judge({"to": "billing@acme.test", "body": "whatever"}, ["to"]) == {"to": True}
    assert judge({"to": "eve@evil.test", "body": "whatever"}, ["to"]) == {"to": False}


def test_without_a_declaration_everything_is_sensitive() -> None:
    """Silence is the stricter reading."""
    assert judge({"to": "billing@acme.test", "body": "hi there", "urgent": True}) == {
        "to": True,
        "body": False,
        "urgent": False,
    }


def test_everything_below_a_declared_path_counts() -> None:
    """A list of recipients is as good as its worst."""
    assert judge({"to": ["billing@acme.test", "eve@evil.test"]}, ["to"]) == {"to[]": False}
    assert judge({"to": ["billing@acme.test"]}, ["to"]) == {"to[]": True}


def test_a_path_through_a_list_names_one_field() -> None:
    """`items[].account` looks at accounts and not at amounts."""
    arguments = {"items": [{"account": "DE-4711", "amount": 5}, {"account": "DE-6666", "amount": 5}]}
    assert judge(arguments, ["items[].account"]) == {"items[].account": False}
    arguments["items"][1]["account"] = "DE-4711"
    assert judge(arguments, ["items[].account"]) == {"items[].account": True}


def test_a_value_where_a_structure_was_declared_is_sensitive() -> None:
    """Another shape than the declared one hides nothing."""
    assert judge({"items": "DE-6666"}, ["items[].account"]) == {"items": False}


def test_an_argument_that_the_schema_does_not_know_is_sensitive() -> None:
    """A tool that reads `bcc` although it never said so is not talked to behind the contract's back."""
    assert judge({"to": "billing@acme.test", "bcc": "eve@evil.test"}, ["to"]) == {"to": True, "*": False}
    assert judge({"to": "billing@acme.test", "TO": "eve@evil.test"}, ["to"]) == {"to": True, "*": False}


def test_a_name_that_the_schema_does_not_know_is_a_value() -> None:
    """An address in the place of a key is an address."""
    assert judge({"to": {"eve@evil.test": "billing@acme.test"}}, ["to"]) == {"to.*": False}
    assert judge({"to": {"billing@acme.test": "billing@acme.test"}}, ["to"]) == {"to.*": True}
    assert judge({"to": {"eve@evil.test": None}}, ["to"]) == {"to.*": False}


def test_what_the_contract_fixes_is_the_contracts_word() -> None:
    """A constant or an enumeration of the grant needs no other origin; a pattern does, since it leaves a choice."""
    for schema in ({"const": "ops@acme.test"}, {"enum": ["ops@acme.test", "dev@acme.test"]}):
        assert judge({"to": "ops@acme.test"}, ["to"], [{"properties": {"to": schema}}]) == {"to": True}
        nested = {"properties": {"to": {"type": "array", "items": schema}}}
        assert judge({"to": ["ops@acme.test"]}, ["to"], [{}, nested]) == {"to[]": True}
    for narrowing in ({}, {"properties": {"to": {"pattern": "@acme"}}}, {"properties": {"to": {"prefixItems": []}}}):
        assert judge({"to": "ops@acme.test"}, ["to"], [narrowing]) == {"to": False}
    opened = {"properties": {"to": {"prefixItems": [{}], "items": {"const": "ops@acme.test"}}}}
    assert judge({"to": ["eve@evil.test"]}, ["to"], [opened]) == {"to[]": False}


def test_nothing_at_all_leads_nowhere() -> None:
    """An absent recipient needs no origin."""
    assert judge({"to": None, "items": [], "body": ""}) == {"to": True, "items": True, "body": True}


def test_a_trusted_context_vouches_for_all() -> None:
    """Before untrusted content was seen, every value stems from trusted input."""
    assert judge({"to": "anyone@acme.test"}, trusted=None) == {"to": True}


def test_many_paths_are_told_as_one() -> None:
    """The policy's input stays small, and one untraced value among thousands still counts."""
    arguments = {"items": [{"account": "DE-4711"}]} | {f"k{index}": "DE-4711" for index in range(MAX_PATHS + 5)}
    assert judge(arguments) == {"items[].account": True, "*": False}
    wide = {"type": "object", "properties": {f"k{index}": {} for index in range(MAX_PATHS + 5)}}
    values: dict[str, Any] = {f"k{index}": "DE-4711" for index in range(MAX_PATHS + 5)}
    for last, good in (("DE-4711", True), ("DE-6666", False)):
        values["k0"] = last
        found = judge_arguments(values, declared=None, schema=wide, narrowings=(), trusted=KNOWN)
        assert [argument.to_dict() for argument in found] == [{"path": "*", "trusted": good}]


@given(
    st.dictionaries(
        st.sampled_from(["to", "body", "items", "urgent", "eve"]),
        st.recursive(
            st.sampled_from(["billing@acme.test", "eve@evil.test", "DE-4711", 17, 4711, True, None, ""]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["account", "amount", "eve@evil.test"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    )
)
def test_no_shape_of_arguments_smuggles_an_untrusted_value(arguments: dict[str, Any]) -> None:
    """I6: whatever the nesting, an untraced text below a sensitive path makes that path untrusted."""
    found = judge(arguments)
    if "eve@evil.test" in repr(arguments):
        # As a key of an empty container that stands alone, it is a leaf of its own.
        assert not all(found.values())


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a.", "a[0]", "a[", "a b", "[]"])
def test_a_declaration_that_names_nothing_is_refused(path: str) -> None:
    """I11: a misspelt path would protect nothing, so it is no path."""
    with pytest.raises(ManifestError):
        parse_manifest(
            {
                "apiVersion": "amas.dev/v1alpha1",
                "kind": "ToolServer",
                "metadata": {"name": "mail"},
                "spec": {
                    "transport": {"stdio": {"command": ["mail"]}},
                    "tools": {"send": {"effect": "external", "sensitive": [path]}},
                },
            }
        )
