"""Contents of an export, held against what their leaves commit to."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amas_cli.audit_trail import Check, Report, Verdict, read_entries, verify

from .exports import Export, Key, Said, make_export, run_types

SAID = (Said("input", b'{"topic":"bees"}'), Said("note", b"hi", media_type="text/plain"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@pytest.fixture
def export() -> Export:
    return make_export(run_types(3), said=SAID)


def check(export: Export, target: Path) -> Report:
    return verify(export.write(target), Key().verifier)


def test_contents_that_fit_are_verified_and_shown(export: Export, target: Path) -> None:
    """What was said is what the leaf commits to, and can be read."""
    report = check(export, target)
    assert (report.verdict, report.contents, report.erased) == (Verdict.VERIFIED, 6, 0)
    shown = next(read_entries(target)).contents
    assert {name: given.data for name, given in shown.items()} == {"input": b'{"topic":"bees"}', "note": b"hi"}


def test_every_changed_byte_of_a_content_is_found(export: Export, target: Path) -> None:
    """I9: neither the data nor the salt can be changed, in whatever form they are written."""
    lines = export.lines()
    start = sum(len(line) for line in lines[:2]) + lines[2].index(b'"contents":[{')
    genuine = b"".join(lines)
    end = sum(len(line) for line in lines[:3])
    passed = []
    for position in range(start, end):
        changed = bytearray(genuine)
        changed[position] ^= 1 << (position % 7)
        target.write_bytes(changed)
        if verify(target, Key().verifier).verdict is not Verdict.FAILED:
            passed.append(position)
    assert passed == []


def test_erased_contents_leave_the_proof_valid(export: Export, target: Path) -> None:
    """Forgetting a person breaks nothing: the record verifies, and says what is gone and by which event."""
    for entry in export.entries:
        entry["contents"][0] = {"name": "input", "erasedBy": "erased:1"}
    report = check(export, target)
    assert (report.verdict, report.contents, report.erased) == (Verdict.VERIFIED, 6, 3)
    assert report.summary().endswith("3 of 6 contents erased")
    assert next(read_entries(target)).contents["input"].erased_by == "erased:1"


def test_lost_contents_make_a_record_incomplete(export: Export, target: Path) -> None:
    """What nobody says was erased was withheld or lost, and that is not the same."""
    export.entries[1]["contents"][0] = {"name": "input"}
    report = check(export, target)
    assert (report.verdict, report.failed_checks()) == (Verdict.INCOMPLETE, {Check.COMPLETENESS})


def drop(export: Export) -> None:
    del export.entries[1]["contents"][0]


def add(export: Export) -> None:
    export.entries[1]["contents"].append(Said("other", b"1").given())


def swap(export: Export) -> None:
    contents = export.entries[1]["contents"]
    contents[0]["data"], contents[1]["data"] = contents[1]["data"], contents[0]["data"]


def reorder(export: Export) -> None:
    export.entries[1]["contents"].reverse()


@pytest.mark.parametrize("change", [drop, add, swap, reorder])
def test_what_does_not_fit_is_found(change: Callable[[Export], None], export: Export, target: Path) -> None:
    """A content is neither dropped nor added nor passed off as another."""
    change(export)
    report = check(export, target)
    assert (report.verdict, report.failed_checks()) == (Verdict.FAILED, {Check.CONTENT})


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"name": "input", "data": "", "salt": ""},
        {"name": "input", "salt": "", "data": ""},
        {"name": "input", "salt": base64.b64encode(bytes(32)).decode(), "data": "!!!"},
        {"name": "input", "erasedBy": 1},
        "input",
    ],
)
def test_what_is_no_content_is_refused_in_a_sentence(content: Any, export: Export, target: Path) -> None:
    """I11: nonsense gives a finding, never a stack trace."""
    export.entries[0]["contents"] = [content]
    report = check(export, target)
    assert report.verdict is Verdict.FAILED
    assert Check.FORMAT in report.failed_checks()
