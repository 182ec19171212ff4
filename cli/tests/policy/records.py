"""Recorded decisions as the policy-sidecar writes them, made by asking the shipped policies."""

from __future__ import annotations

import copy
import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amas_cli.policy.cases import read_cases
from amas_cli.policy.evaluation import decide
from amas_cli.policy.recorded import Recorded, read_recorded
from amas_cli.policy.sources import Sources

SHIPPED = Path(__file__).resolve().parents[3] / "policies"
TYPES = {"allow": "intent", "deny": "denied", "escalate": "escalated"}
_numbers = itertools.count(1)


def candidate(target: Path, file: str = "", old: str = "", new: str = "") -> Path:
    """A copy of the shipped policies in which one text of one file is another."""
    shutil.copytree(SHIPPED, target, ignore=shutil.ignore_patterns("contracts", "build"))
    if file:
        text = (target / file).read_text()
        assert old in text
        (target / file).write_text(text.replace(old, new, 1))
    return target


def base_input(**dotted: Any) -> dict[str, Any]:
    """The input that each case starts from, with fields set: `action__effect="write"`."""
    document = copy.deepcopy(_base())
    for name, value in dotted.items():
        *parents, last = name.split("__")
        inner = document
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return document


def members(
    document: Any, decision: Mapping[str, Any], *, run: str = "run-1", key: str = "", digest: str = "", **data: Any
) -> dict[str, Any]:
    """The event of a decision as a leaf has it."""
    number = next(_numbers)
    return {
        "id": f"event-{number}",
        "type": f"dev.amas.action.{TYPES[decision['effect']]}",
        "time": "2026-11-23T10:00:00Z",
        "tenant": "acme",
        "runid": run,
        "runsequence": number,
        "step": "publish",
        "role": "publisher",
        "data": {
            "action": {
                "tool": "git/git_commit",
                "digest": digest or f"d-{number}",
                "idempotencyKey": key or f"k-{number}",
            },
            "decision": {"id": f"decision-{number}", "bundle": "sha256:1", "actionDigest": "", **decision},
            "input": document,
            "argumentsRedacted": False,
            "findings": {},
            **data,
        },
    }


def record(document: Any, *, effect: str, **named: Any) -> Recorded:
    """What is on record after the shipped policies decided about an input; the test says what they decide."""
    (answer,) = decide(Sources.of(SHIPPED), [document])
    assert answer.decision["effect"] == effect, answer
    recorded = read_recorded(members(document, answer.decision, **named))
    assert recorded is not None
    assert not recorded.unusable
    return recorded


def approved_commit(*, run: str = "run-1", digest: str = "d") -> tuple[Recorded, Recorded]:
    """An irreversible action that waited, and then went ahead."""
    document = base_input(action__effect="irreversible")
    valid = {"id": "a-1", "approvers": ["release-manager"], "requester": "developer", "valid": True}
    waited = record(document, effect="escalate", run=run, digest=digest)
    return waited, record({**document, "approval": valid}, effect="allow", run=run, digest=digest)


def _base() -> dict[str, Any]:
    return next(
        case.document for case in read_cases(SHIPPED) if str(case) == "main/decision: an ordinary read is allowed"
    )
