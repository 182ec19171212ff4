"""The audit benchmark's own rules: events of the size that the aims speak of, no two alike, over several runs."""

from __future__ import annotations

from amas_audit.domain.leaf import encode

from .audit.stage import BATCH, EVENT_BYTES, RUNS, events, submissions


def test_events_have_a_kilobyte_and_differ() -> None:
    """What is measured is what the aims speak of."""
    made = events("test", 200)
    leaves = {encode(one, "policy-sidecar", 1) for one in made}
    assert len(leaves) == 200
    assert all(0.9 * EVENT_BYTES < len(leaf) < 1.1 * EVENT_BYTES for leaf in leaves)
    assert len({one.run_id for one in made}) == RUNS


def test_batches_hold_all_events() -> None:
    """Nothing is left out of the last, shorter batch."""
    made = submissions("test", BATCH + 1)
    assert [len(one.events) for one in made] == [BATCH, 1]
