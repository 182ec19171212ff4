"""Plans of graphs."""

from __future__ import annotations

import pytest
from amas_governance.resources import Orchestration
from amas_orchestrator.domain.graph import plan

from .. import resources


def graph(text: str, name: str) -> Orchestration:
    """An orchestration of the tests."""
    found = resources.bundle_of(text).orchestration(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "name", "alone"),
    [
        (resources.SEQUENCE, "sequence", {"first", "second", "third"}),
        (resources.DIAMOND, "diamond", {"top", "bottom"}),
        (resources.MAP, "map", set()),
        (resources.BRANCH, "branch", {"look", "act", "after"}),
    ],
)
def test_what_can_never_run_beside_another_is_alone(text: str, name: str, alone: set[str]) -> None:
    """It follows from the graph alone, so that every replay comes to the same."""
    assert plan(graph(text, name)).alone == alone


def test_references_and_needs_are_edges() -> None:
    """A step waits for what it refers to anywhere, and for what `needs` names."""
    text = resources.orchestration(
        "edges",
        """
    - name: d
      role: worker
      needs: [c]
      when: "${steps.b.state == 'succeeded'}"
      with: {topic: "${steps.a.output.text}"}
    - {name: a, role: worker}
    - {name: b, role: worker}
    - {name: c, role: worker}
""",
        '"x"',
    )
    made = plan(graph(text, "edges"))
    assert made.needs["d"] == {"a", "b", "c"}
    assert made.order == ("a", "b", "c", "d")


def test_a_cycle_is_refused() -> None:
    """No plan waits for itself."""
    text = resources.orchestration(
        "cycle", "    - {name: a, role: worker, needs: [b]}\n    - {name: b, role: worker, needs: [a]}", '"x"'
    )
    with pytest.raises(ValueError, match="wait for each other"):
        plan(graph(text, "cycle"))
