"""A benchmark's verdict is computed from its aim."""

from __future__ import annotations

import json

import pytest

from . import report
from .report import Row, percentile, publish


def test_meets_is_computed_from_the_ratio_or_the_value():
    """Nobody writes `meets` by hand."""
    assert Row("a", 10, "s", aim="<= 15").meets is True
    assert Row("a", 16, "s", aim="<= 15").meets is False
    assert Row("a", 100, "1/s", peer="b", ratio=0.5, aim=">= 0.6").meets is False
    assert Row("a", 1, "s").meets is None


def test_percentile_is_the_nearest_rank():
    """p95 of a hundred values is the ninety-fifth."""
    assert percentile(list(range(1, 101)), 0.95) == 95
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_the_file_has_what_readers_expect(tmp_path, monkeypatch, capsys):
    """out/bench/<name>.json has the agreed shape, and the table names a missed aim."""
    monkeypatch.setattr(report, "OUT", tmp_path)
    path = publish("x", {"python": "3.11"}, [Row("a", 2, "s", aim="<= 1", spread=0.1)], "make bench")
    row = json.loads(path.read_text())["rows"][0]
    assert set(row) == {"metric", "value", "unit", "peer", "ratio", "spread", "aim", "meets"}
    assert " NO" in capsys.readouterr().out
