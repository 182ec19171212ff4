from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from amas_audit.domain.contents import Sealed
from amas_audit.domain.leaf import decode, encode, same_content
from amas_audit.domain.model import Event, Label
from amas_governance.canonical import canonical_json
from hypothesis import given
from hypothesis import strategies as st

from ..logs import event

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
LABELS = st.builds(
    Label,
    confidentiality=st.sampled_from(["", "public", "restricted"]),
    categories=st.sampled_from([(), ("pii",), ("pci", "pii")]),
    integrity=st.sampled_from(["", "untrusted"]),
)
SEALED = st.builds(
    Sealed,
    name=st.sampled_from(["input", "output", "data"]),
    commitment=st.binary(min_size=32, max_size=32),
    key=st.just("0123456789abcdef0123456789abcdef"),
    media_type=st.sampled_from(["application/json", "text/plain"]),
    retention=st.just("standard"),
    size=st.integers(0, 1 << 22),
)
EVENTS = st.builds(
    Event,
    id=TEXT.filter(bool),
    type=st.just("dev.amas.action.intent"),
    time=st.just("2026-11-23T10:00:00.123456789Z"),
    tenant=TEXT.filter(bool),
    run_id=TEXT,
    step=TEXT,
    trace_id=st.sampled_from(["", "0af7651916cd43dd8448eb211c80319c"]),
    span_id=st.sampled_from(["", "b7ad6b7169203331"]),
    principal=TEXT,
    role=TEXT,
    role_version=TEXT,
    bundle=TEXT,
    data=st.dictionaries(TEXT, VALUES, max_size=4).map(canonical_json),
    label=st.none() | LABELS,
    sealed=st.lists(SEALED, max_size=3, unique_by=lambda one: one.name).map(
        lambda many: tuple(sorted(many, key=lambda one: one.name))
    ),
)


@given(EVENTS)
def test_a_leaf_is_canonical_json_of_the_event(made: Event) -> None:
    """RFC 8785: any reader that writes the leaf again gets the same bytes, and so the same hash."""
    leaf = encode(made, "orchestrator", 7)
    members = json.loads(leaf, parse_int=float)
    assert canonical_json(members) == leaf
    assert members["specversion"] == "1.0"
    assert members.get("runsequence") == (7 if made.run_id else None)


@given(EVENTS)
def test_an_event_survives_its_leaf(made: Event) -> None:
    """What is answered to a query is what was appended, to the byte, large numbers and odd texts included."""
    assert decode(encode(made, "orchestrator", 7)) == (made, "orchestrator", 7 if made.run_id else 0)


def test_attribute_names_are_those_of_cloudevents() -> None:
    """CloudEvents 1.0: names of attributes have lower-case letters and digits alone."""
    full = event(step="s", trace_id="a", span_id="b", role="r", role_version="1", bundle="sha256:0")
    members = json.loads(encode(full, "orchestrator", 1))
    assert all(name.isalnum() and name == name.lower() for name in members)
    assert {"id", "source", "specversion", "type", "time", "datacontenttype", "data"} < set(members)


@pytest.mark.parametrize(
    "change",
    [
        {"time": "2027-01-01T00:00:00Z"},
        {"trace_id": "0af7651916cd43dd8448eb211c80319c"},
        {"span_id": "b7ad6b7169203331"},
    ],
)
def test_a_retry_from_another_moment_or_span_is_the_same_event(change: dict[str, str]) -> None:
    """A caller that crashed and asks again is answered as before."""
    leaf = encode(event(), "policy-sidecar", 3)
    assert same_content(leaf, replace(event(), **change), "policy-sidecar")


@pytest.mark.parametrize(
    "change",
    [
        {"type": "dev.amas.action.outcome"},
        {"run_id": "run-2"},
        {"step": "publish"},
        {"principal": "release-manager"},
        {"role": "writer"},
        {"role_version": "2"},
        {"bundle": "sha256:1"},
        {"label": Label("restricted")},
        {"data": b'{"tool":"git/git_tag"}'},
    ],
)
def test_a_changed_event_is_another(change: dict[str, Any]) -> None:
    """An id is never taken for two different happenings."""
    leaf = encode(event(), "policy-sidecar", 3)
    assert not same_content(leaf, replace(event(), **change), "policy-sidecar")
    assert not same_content(leaf, event(), "orchestrator")


def test_values_that_python_takes_for_equal_are_told_apart() -> None:
    """`true` and `1` are different data."""
    leaf = encode(event(data=b'{"a":true}'), "policy-sidecar", 1)
    assert not same_content(leaf, event(data=b'{"a":1}'), "policy-sidecar")
