from __future__ import annotations

import pytest
from amas_audit.domain.retention import MAX_PERIOD_DAYS, Retention


@pytest.mark.parametrize(("days", "period"), [(1, 1), (9, 1), (30, 3), (180, 18), (3650, MAX_PERIOD_DAYS)])
def test_a_key_takes_new_contents_for_a_tenth_of_its_class(days: int, period: int) -> None:
    """So a content outlives its class by a tenth, a day or a month at most."""
    assert Retention({"standard": days}).period("standard") == period


@pytest.mark.parametrize("days", [{}, {"short": 3}, {"standard": 0}, {"standard": -1}, {"standard": 99_999}])
def test_classes_that_make_no_sense_are_refused(days: dict[str, int | None]) -> None:
    """I11: the operator is told at start."""
    with pytest.raises(ValueError, match="class"):
        Retention(days)
