from __future__ import annotations

import pytest
from amas_audit.domain.tlog_paths import MAX_ENTRY_BYTES, Resource, bundle, parse_resource
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        # The example of the specification.
        ("0/x001/x234/067", Resource(0, 1234067)),
        ("entries/x001/x234/067.p/255", Resource(None, 1234067, 255)),
        ("63/000", None),
        ("7/000.p/1", None),
        ("6/000.p/1", Resource(6, 0, 1)),
        ("0/x1/000", None),
        ("0/000.p/", None),
        ("", None),
    ],
)
def test_names_are_those_of_the_specification(path: str, resource: Resource | None) -> None:
    """C2SP tlog-tiles, "Merkle Tree". A tile that spans more than all indices cannot be."""
    assert parse_resource(path) == resource


@given(st.sampled_from([None, 0, 1, 2, 3]), st.integers(0, (1 << 31) - 1), st.integers(1, 256))
def test_a_name_leads_back_to_its_resource(level: int | None, position: int, width: int) -> None:
    """One resource, one name."""
    resource = Resource(level, position, width)
    assert parse_resource(resource.path()) == resource


@given(st.text(max_size=30))
def test_no_text_breaks_it(path: str) -> None:
    """A name is the one form of its resource, or none."""
    found = parse_resource(path)
    assert found is None or found.path() == path


def test_an_entry_too_long_is_refused() -> None:
    """Cut, or with a wrapped length, it would look like another entry."""
    assert bundle([b"", b"a" * MAX_ENTRY_BYTES]) == b"\0\0\xff\xff" + b"a" * MAX_ENTRY_BYTES
    with pytest.raises(ValueError, match="longer"):
        bundle([b"a" * (MAX_ENTRY_BYTES + 1)])
