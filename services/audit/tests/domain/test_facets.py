from __future__ import annotations

import random

import pytest
from amas_audit.domain.facets import (
    BLOCK,
    EVERY,
    MAX_VALUE_BYTES,
    answers,
    describe,
    index_blocks,
    nanoseconds,
    positions,
)
from amas_audit.domain.model import EventFilter, Label

from ..logs import event


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("2026-11-23T10:00:00.000000001Z", 1_795_428_000_000_000_001),
        ("2026-11-23T10:00:00.25Z", 1_795_428_000_250_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000_000),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799_999_999_999),
    ],
)
def test_times_keep_their_nanoseconds(time: str, expected: int) -> None:
    """A bound of a query is exact, from the first to the last time that an event may have."""
    assert nanoseconds(time) == expected


@pytest.mark.parametrize(
    ("data", "facets"),
    [
        (b'{"action":{"tool":"a/b"},"tool":"c/d"}', {"tool=a/b"}),
        (b'{"tool":"a/b"}', {"tool=a/b"}),
        (b'{"effect":"deny"}', {"decision=deny"}),
        (b'{"decision":{"effect":"allow"},"effect":"deny"}', {"decision=allow"}),
        (b'{"action":"none","decision":[1],"label":"x","tool":3}', set()),
        (b'{"label":{"categories":"pii","confidentiality":"secret","integrity":7}}', set()),
        (
            b'{"label":{"categories":["pii","unheard"],"confidentiality":"internal","integrity":"trusted"}}',
            {"confidentiality=1", "confidentiality=2", "category=pii", "integrity=trusted"},
        ),
        (b'{"input":{"tool":"a/b"}}', set()),
    ],
)
def test_data_is_read_where_the_registry_puts_it(data: bytes, facets: set[str]) -> None:
    """What is of another shape than expected is no facet, and no error: the log takes any data."""
    own = {EVERY, "source=policy-sidecar", "type=dev.amas.action.intent", "run=run-1", "principal=developer"}
    assert set(describe(event(data=data), "policy-sidecar").facets) - own == facets


def test_the_events_own_label_goes_before_one_in_its_data() -> None:
    """An event is found by what it is labelled with."""
    inside = b'{"label":{"categories":["phi"],"confidentiality":"restricted","integrity":"untrusted"}}'
    described = describe(event(label=Label("internal", ("pci", "pii")), data=inside), "gateway")
    label = {
        facet for facet in described.facets if facet.partition("=")[0] in {"category", "confidentiality", "integrity"}
    }
    assert label == {"confidentiality=1", "confidentiality=2", "category=pci", "category=pii"}


@pytest.mark.parametrize("tool", ["x" * (MAX_VALUE_BYTES + 1), "\0", "ü" * MAX_VALUE_BYTES, "a" * 1_000_000])
def test_a_value_that_no_index_takes_is_found_all_the_same(tool: str) -> None:
    """An agent may propose a tool of any name; it must neither stop the log nor be hidden from a query."""
    described = describe(event(data=b'{"tool":"%s"}' % tool.replace("\0", "\\u0000").encode()), "policy-sidecar")
    assert all(len(facet.encode()) <= MAX_VALUE_BYTES + 20 and "\0" not in facet for facet in described.facets)
    assert answers(EventFilter("acme", tool=tool), described, "event-1")
    assert not answers(EventFilter("acme", tool=tool + "x"), described, "event-1")


def test_blocks_are_indexed_once_and_whole_however_entries_arrive() -> None:
    """The index is the same for any way in which the same entries were grouped."""
    chance = random.Random(3)  # noqa: S311 - a schedule, no secret
    entries = [
        describe(event(n, run_id=f"run-{n % 9}", time=f"2026-11-23T10:00:{n % 60:02}Z"), "gateway")
        for n in range(3 * BLOCK + 17)
    ]
    whole, edge = index_blocks(0, (), entries)
    assert (len(edge), {row.block for row in whole}) == (17, {0, 1, 2})
    for _ in range(20):
        rows, waiting, size = [], (), 0
        while size < len(entries):
            step = chance.randrange(1, 2 * BLOCK)
            made, waiting = index_blocks(size, waiting, entries[size : size + step])
            rows += made
            size = min(size + step, len(entries))
        assert (rows, waiting) == (whole, edge)
    found = [at for row in whole if row.facet == "run=run-4" for at in positions(row.block, row.bits)]
    assert found == [n for n in range(3 * BLOCK) if n % 9 == 4]
    assert all(row.latest - row.earliest == 59_000_000 for row in whole if row.facet == EVERY)
