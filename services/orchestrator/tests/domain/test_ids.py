"""Names of things."""

from __future__ import annotations

from datetime import timedelta

from amas_orchestrator.domain.ids import MAX_KEY, approval_id, new_run_id, place_key

from ..fakes import START


def test_run_ids_sort_by_time_and_differ() -> None:
    """Ids of one moment differ; later ones sort later."""
    ids = [new_run_id(START + timedelta(milliseconds=number)) for number in range(50)]
    assert ids == sorted(ids)
    assert len({new_run_id(START) for _ in range(100)}) == 100
    assert len(ids[0]) == len("run-") + 26


def test_a_place_has_one_key() -> None:
    """The same place gives the same key, another place another, also when keys are too long to be spelled out."""
    assert place_key("run-1", "draft", 2, 0) == "run-1/draft/2/0"
    long, other = place_key("run-1", "x" * 300, 1), place_key("run-1", "x" * 300, 2)
    assert len(long) == len(other) == MAX_KEY
    assert long != other


def test_approvals_are_named_after_their_place() -> None:
    """Asking again at the same place is the same question; no two places share one."""
    assert approval_id("run-1", "a", 1) == approval_id("run-1", "a", 1)
    assert approval_id("run-1", "a", 1) != approval_id("run-1", "a/1")
