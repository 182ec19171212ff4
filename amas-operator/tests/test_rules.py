"""The chart's Role: every kind, and nothing that the operator does not do."""

from __future__ import annotations

from pathlib import Path

from amas_governance.custom_resources import GROUP, NAMES, RUNS
from amas_operator.settings import OperatorSettings
from ruamel.yaml import YAML

RULES = Path(__file__).resolve().parents[2] / "charts" / "operator" / "files" / "rules.yaml"


def test_the_role_names_every_kind_and_no_more() -> None:
    """A new kind needs its line here, or the operator never sees it; nothing but runs may be created or deleted."""
    rules = YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))
    ours = {tuple(rule["verbs"]): set(rule["resources"]) for rule in rules if rule["apiGroups"] == [GROUP]}
    plurals = {names.plural for names in NAMES.values()}
    assert ours == {
        ("get", "list", "watch", "patch"): plurals,
        ("patch",): {f"{plural}/status" for plural in plurals},
        ("list", "create", "patch", "delete"): {RUNS.plural},
    }
    leases = [rule for rule in rules if rule["apiGroups"] != [GROUP]]
    assert {resource for rule in leases for resource in rule["resources"]} == {"leases"}
    named = [rule["resourceNames"] for rule in leases if "resourceNames" in rule]
    assert named == [[OperatorSettings.model_fields["lease_name"].default]]
