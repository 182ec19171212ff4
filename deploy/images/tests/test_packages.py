"""An image holds only what its member's requirements name: each import of its code must be among them."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = ("libs/chassis", "libs/governance")
MEMBERS = {
    **{name: (f"services/{name}", *LIBRARIES) for name in ("gateway", "orchestrator", "ai-router", "audit")},
    "policy-sidecar": ("services/policy-sidecar", *LIBRARIES),
    "cli": ("cli", "toolservers/workspace", "toolservers/helpdesk", *LIBRARIES),
    "operator": ("amas-operator", *LIBRARIES),
    "witness": ("witness",),
    "workspace-server": ("toolservers/workspace",),
}
# Namespaces that many distributions fill: which of them is meant, the start of the image shows.
SHARED_NAMESPACES = {"amas", "buf", "google", "opentelemetry"}


def normalized(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(member: str) -> set[str]:
    """What requirements/MEMBER.txt installs."""
    lines = (ROOT / "requirements" / f"{member}.txt").read_text().splitlines()
    return {normalized(re.split(r"[=\[]", line)[0]) for line in lines if "==" in line and not line.startswith(" ")}


@cache
def distributions() -> dict[str, list[str]]:
    """Which distributions have a module, by its name."""
    return {name: list(found) for name, found in packages_distributions().items()}


def imported(file: Path) -> Iterator[str]:
    """Names of the top modules that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("member", MEMBERS)
def test_requirements_name_what_the_code_imports(member: str) -> None:
    """No import rests on a package that another member happens to bring."""
    there = required(member)
    missing = set()
    for folder in MEMBERS[member]:
        for file in (ROOT / folder / "src").rglob("*.py"):
            for name in set(imported(file)):
                if name in sys.stdlib_module_names or name in SHARED_NAMESPACES or name.startswith("amas_"):
                    continue
                if not there & {normalized(found) for found in distributions().get(name, [])}:
                    missing.add((name, str(file.relative_to(ROOT))))
    assert missing == set()


def test_the_shared_layer_is_what_all_services_have() -> None:
    """A package of the shared layer is in every service's requirements, in the same version with the same hashes."""
    found = importlib.util.spec_from_file_location("lock", ROOT / "scripts/lock.py")
    assert found is not None
    assert found.loader is not None
    lock = importlib.util.module_from_spec(found)
    found.loader.exec_module(lock)
    shared = lock.blocks((ROOT / "requirements/shared.txt").read_text())
    assert shared
    for service in lock.SERVICES:
        own = lock.blocks((ROOT / f"requirements/{service}.txt").read_text())
        assert [block for block in shared if block not in own] == []
