"""Who must answer, from when on: the requirement in its forms."""

from __future__ import annotations

import json

from amas_governance.resources import ApprovalRequirement
from amas_orchestrator.domain.requirement import EscalationRule, Requirement

FULL = Requirement(("a",), 2, True, 3600.0, 600.0, (EscalationRule(900.0, ("b",)), EscalationRule(1800.0, ("c", "d"))))


def test_a_requirement_survives_its_json_form() -> None:
    """What stands in the database is what was asked."""
    plain = Requirement(("a",), 1, False, 60.0)
    for made in (FULL, plain):
        assert Requirement.from_dict(made.to_dict()) == made


def test_a_contract_says_it_all() -> None:
    """Nothing of what a contract states is lost."""
    stated = ApprovalRequirement.model_validate_json(
        json.dumps(
            {
                "from": ["a"],
                "quorum": 2,
                "fourEyes": True,
                "expiresIn": "1h",
                "remindAfter": "10m",
                "escalate": [{"after": "15m", "to": ["b"]}, {"after": "30m", "to": ["c", "d"]}],
            }
        )
    )
    assert Requirement.of(stated) == FULL


def test_groups_come_in_as_time_goes_by() -> None:
    """Each rule adds its groups from its own time on."""
    assert FULL.groups_after(0) == ("a",)
    assert FULL.groups_after(899.9) == ("a",)
    assert FULL.groups_after(900) == ("a", "b")
    assert FULL.groups_after(1800) == ("a", "b", "c", "d")
