"""The reference of reason codes follows the policies: machines rely on the codes, so none is undocumented or dead."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CODE = re.compile(r'"code": "([A-Z_]+)"')


def test_every_code_of_a_policy_is_in_the_reference_with_its_policy() -> None:
    """What a policy can answer stands in the table, in the row that names the policy; and nothing else does."""
    said = {
        (code, path.parent.relative_to(ROOT / "policies").as_posix())
        for path in (ROOT / "policies").rglob("policy.rego")
        for code in CODE.findall(path.read_text(encoding="utf-8"))
    }
    reference = (ROOT / "docs" / "reason-codes.md").read_text(encoding="utf-8")
    table = reference.partition("## Of the policies")[2].partition("## ")[0]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `")]
    documented = {
        (code, policy.strip())
        for codes, _, policies in rows
        for code in re.findall(r"`(\w+)`", codes)
        for policy in policies.split(",")
    }
    assert documented == said
