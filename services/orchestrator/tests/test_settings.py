"""The documented settings are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from amas_orchestrator.settings import OrchestratorSettings
from pydantic_core import PydanticUndefined

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_has_every_setting_with_its_default() -> None:
    """A row for each variable, with the default that the code has; none that does not exist."""
    rows = dict(re.findall(r"^\| `(AMAS_ORCHESTRATOR_[A-Z_]+)` \| ([^|]+) \|", README.read_text(), re.M))
    expected = {}
    for name, field in OrchestratorSettings.model_fields.items():
        default = field.default
        if default is PydanticUndefined:
            shown = "required"
        elif default in (None, ""):
            shown = "empty"
        else:
            shown = f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
        expected[f"AMAS_ORCHESTRATOR_{name.upper()}"] = shown
    assert {name: text.strip() for name, text in rows.items()} == expected
