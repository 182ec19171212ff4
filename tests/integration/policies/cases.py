"""Where the policies that we ship are, and their cases as the command line reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from amas_cli.policy import cases
from amas_cli.policy.cases import Case

POLICIES = Path(__file__).resolve().parents[3] / "policies"

__all__ = ["POLICIES", "Case", "read_cases"]


def read_cases() -> Iterator[Case]:
    """Every case that we ship."""
    return cases.read_cases(POLICIES)
