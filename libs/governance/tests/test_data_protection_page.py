"""The page about data protection: what it names exists, and what a user copies from it works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from amas_governance.dlp.actions import CATEGORY_OF, ON_STREAMS, Action
from amas_governance.loader import SourceFile, load
from amas_governance.resources import AgentRole, DlpRules

PAGE = (Path(__file__).parents[3] / "docs" / "data-protection.md").read_text()


def test_the_blocks_are_resources() -> None:
    """A role that loads, and says something about each part that the page explains; and what answers do."""
    block, answers = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    DlpRules.model_validate_json(json.dumps(yaml.safe_load(answers)["spec"]["answers"]))
    loaded = load([SourceFile("page", block)])
    assert [str(problem) for problem in loaded.problems] == []
    (role,) = loaded.resources
    assert isinstance(role, AgentRole)
    assert role.spec.data.dlp.action("icd-10", "phi") is Action.DENY


def test_the_page_names_every_detector_and_no_other() -> None:
    """With its category, and whether it holds on streams."""
    for category in ("secret", "pci", "phi", "pii"):
        (row,) = re.findall(rf"^\| `{category}` \| (.*) \|$", PAGE, re.MULTILINE)
        shown = {name.strip("*`"): not name.startswith("*") for name in row.split(", ")}
        assert shown == {name: name in ON_STREAMS for name, kind in CATEGORY_OF.items() if kind == category}


def test_the_page_names_every_action() -> None:
    """In its table."""
    assert re.findall(r"^\| `(\w+)` \| .", PAGE.split("## Answers")[0], re.MULTILINE) == [
        "allow",
        "pseudonymise",
        "redact",
        "hold",
        "deny",
    ]
