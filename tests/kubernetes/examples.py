"""Every resource that this repository shows or ships, by the file that it stands in."""

from __future__ import annotations

from pathlib import Path

from amas_governance.loader import SourceFile, load
from amas_governance.resources import Resource

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "policies/contracts",
    "deploy/first-run",
    "tests/e2e",
    "tests/attacks",
    "tests/load/reference",
    "libs/governance/tests",
)
# What tests fill in when they use a file.
_FILLED_IN = {
    "MODEL_URL": "http://127.0.0.1:9/v1",
    "HEARD_URL": "http://127.0.0.1:9/v1",
    "DEAD_URL": "http://127.0.0.1:9/v1",
    "GRANTED_TOOLS": "[{name: git/git_log}]",
}


def files() -> dict[str, str]:
    """Path and text of each file with resources, what tests fill in filled in."""
    found = {
        str(path.relative_to(ROOT)): _filled_in(path.read_text(encoding="utf-8"))
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.yaml"))
    }
    return {name: text for name, text in found.items() if "amas.dev/v1alpha1" in text}


def _filled_in(text: str) -> str:
    for placeholder, value in _FILLED_IN.items():
        text = text.replace(placeholder, value)
    return text


def batches(found: dict[str, str]) -> list[dict[str, str]]:
    """The same files, put together so that no two resources of a batch have the same kind and name."""
    made: list[tuple[dict[str, str], set[tuple[str, str]]]] = []
    for name, text in found.items():
        named = {(resource.KIND, resource.metadata.name) for resource in resources(name, text)}
        batch = next((batch for batch in made if not batch[1] & named), None)
        if batch is None:
            batch = ({}, set())
            made.append(batch)
        batch[0][name] = text
        batch[1].update(named)
    return [batch for batch, _ in made]


def resources(name: str, text: str) -> list[Resource]:
    """What our own loader reads in a file; a file that it cannot read is an error here."""
    result = load([SourceFile(name, text)])
    assert not result.problems, [str(problem) for problem in result.problems]
    return result.resources
