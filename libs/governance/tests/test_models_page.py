"""The page about models: what a user copies from it works."""

from __future__ import annotations

import re
from pathlib import Path

from amas_governance.consistency import check
from amas_governance.loader import SourceFile, load
from amas_governance.resources import Budget, ModelProvider, ModelRoute

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


def test_every_block_of_the_page_is_a_valid_resource() -> None:
    """All blocks load, and they fit together as one folder of resources."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    loaded = load([SourceFile(f"block {number}", block) for number, block in enumerate(blocks, 1)])
    assert [str(problem) for problem in loaded.problems] == []
    assert [str(problem) for problem in check(loaded.resources, loaded.positions)] == []
    assert len(loaded.resources) >= len(blocks)
    assert {type(resource) for resource in loaded.resources} == {ModelProvider, ModelRoute, Budget}


def test_the_whole_route_leaves_nothing_unsaid() -> None:
    """The block that claims to show everything does."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    routes = [r for block in blocks for r in load([SourceFile("page", block)]).resources if isinstance(r, ModelRoute)]
    (whole,) = [route for route in routes if route.metadata.name == "support"]
    assert whole.spec.model_fields_set == set(type(whole.spec).model_fields)
