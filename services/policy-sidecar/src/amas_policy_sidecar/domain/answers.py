"""What the callers of a run may see of an answer: values in place of pseudonyms, marks in place of values, or nothing.

A pseudonym is undone only where the rules say outright that its kind of data may be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amas_governance import dlp
from amas_governance.dlp.actions import CATEGORY_OF, Action
from amas_governance.dlp.pseudonyms import RunPseudonyms
from amas_governance.dlp.secrets import SECRET
from amas_governance.resources import DlpRules

from .leaving import Leaving

UNSCANNABLE = "unscannable"
"""Stands among what is denied for an answer that cannot be looked through."""
WITHHELD = "[withheld: it cannot be looked through]"
# Where the orchestration says nothing. Callers are people and programs outside; names and addresses are what most runs
# are about, the rest is not.
_UNSAID = {SECRET: Action.REDACT, "pci": Action.REDACT, "phi": Action.REDACT, "pii": Action.ALLOW}


@dataclass(frozen=True)
class Inspected:
    """An answer as it may be shown, and what the rules deny of it, as `category/detector`."""

    shown: Any
    denied: tuple[str, ...] = ()


def inspect_answer(value: Any, rules: DlpRules, pseudonyms: RunPseudonyms | None) -> Inspected:
    """What becomes of a JSON value under an orchestration's rules."""
    if pseudonyms is not None:
        value = pseudonyms.restore(value, lambda detector: _said(rules, detector) is Action.ALLOW)
    try:
        sightings = dlp.inspect_value(value)
    except dlp.ScanRefused:
        return Inspected(WITHHELD, (UNSCANNABLE,))
    judged = [(seen, rules.action(seen.detector, seen.category) or _UNSAID[seen.category]) for seen in sightings]
    denied = Leaving(tuple(judged)).named(Action.DENY)
    # What is denied is not shown on the way either, whatever becomes of the whole.
    marked = tuple((seen, Action.REDACT if action is Action.DENY else action) for seen, action in judged)
    changed = Leaving(marked).changed(value, pseudonyms.token if pseudonyms else _redacted)
    return Inspected(value if changed is None else changed, tuple(denied))


def _said(rules: DlpRules, detector: str) -> Action | None:
    category = CATEGORY_OF.get(detector)
    return None if category is None else rules.action(detector, category)


def _redacted(detector: str, _text: str) -> str:
    return f"[redacted:{detector}]"
