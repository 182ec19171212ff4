"""What is documented is what holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from amas_ai_router.settings import RouterSettings

README = (Path(__file__).parents[1] / "README.md").read_text()


def documented() -> dict[str, str]:
    """Variable and default of each row of the README's table."""
    rows = [line.split("|") for line in README.splitlines() if line.startswith("| `AMAS_AI_ROUTER_")]
    return {row[1].strip(" `"): row[2].strip(" `") for row in rows}


def shown(value: object) -> str:
    """A default as the table writes it."""
    return "(empty)" if value in ("", None) else str(value)


def test_the_readmes_table_is_the_code() -> None:
    """Every setting is in the table with the default that holds, and the table has no other."""
    fields = RouterSettings.model_fields
    actual = {
        f"AMAS_AI_ROUTER_{name.upper()}": "(required)" if field.is_required() else shown(field.default)
        for name, field in fields.items()
    }
    assert documented() == actual


@pytest.mark.parametrize(("arguments", "sentence"), [([], "is not set"), (["migrate"], "is not set"), (["x"], "usage")])
def test_a_start_that_cannot_work_says_why(arguments: list[str], sentence: str) -> None:
    """Exit code 2 and a sentence, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "amas_ai_router", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={"PATH": ""},
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
