"""docs/classification.md: what the page shows, runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from amas_governance.extraction import MAX_BITS, check_constrained
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_governance.resources import Step
from amas_governance.schema_labels import check_marks, value_label
from ruamel.yaml import YAML

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "classification.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_the_python_of_the_page_runs_from_top_to_bottom() -> None:
    """A reader who copies the examples gets what the page says: the examples assert it."""
    source = "\n".join(blocks("python"))
    assert source.count("assert") >= 8
    exec(compile(source, "docs/classification.md", "exec"), {"__name__": "page"})  # noqa: S102 - our own page


def test_the_schema_of_the_page_marks_what_it_says() -> None:
    """The field that the page calls tainting taints, and the other does not."""
    schema: Any = YAML(typ="safe").load(blocks("yaml")[0])["input"]["schema"]
    check_marks(schema)
    assert value_label(schema, {"message": "hi"}).integrity is Integrity.UNTRUSTED
    assert value_label(schema, {"customer": "ann"}).integrity is Integrity.TRUSTED


def test_the_extraction_of_the_page_is_one() -> None:
    """The output schema that the page calls constrained is accepted as such."""
    assert check_constrained(YAML(typ="safe").load(blocks("yaml")[1])["output"]["schema"]) < MAX_BITS


def test_the_declassification_of_the_page_is_a_step() -> None:
    """The step that the page shows is accepted, and lowers what it says."""
    (raw,) = YAML(typ="safe").load(blocks("yaml")[2])
    step = Step.model_validate_json(json.dumps(raw))
    assert step.declassify is not None
    high = Label(Confidentiality.RESTRICTED, frozenset({"pii"}), Integrity.UNTRUSTED)
    assert step.declassify.to.lowered(high) == Label(Confidentiality.PUBLIC, frozenset({"pii"}), Integrity.TRUSTED)
