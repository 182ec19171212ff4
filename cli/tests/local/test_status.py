"""What `amas status` reads of the parts' own words."""

from __future__ import annotations

import json

import pytest
from amas_cli.local.status import _notes


def test_notes_of_a_ready_part_are_shown() -> None:
    """What runs, but not as it should, is said in the part's own words."""
    answer = json.dumps({"status": "ready", "notes": {"tool servers run without": "isolation (no bubblewrap)"}})
    assert _notes(answer) == ["tool servers run without isolation (no bubblewrap)"]


@pytest.mark.parametrize("answer", ["", "no JSON", "[]", "3", '{"status":"ready"}', '{"notes":[1]}'])
def test_other_answers_have_none(answer: str) -> None:
    """A part that answers anything else breaks no status."""
    assert _notes(answer) == []
