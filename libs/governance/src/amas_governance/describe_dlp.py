"""What a contract says of sensitive data in arguments, in words, and what two versions of it gained or lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from .dlp.actions import Action, strictest
from .resources import DlpRules

Kind = Literal["gains", "loses", "changes"]
_WORDS = {
    Action.ALLOW: "may leave",
    Action.PSEUDONYMISE: "leaves under a pseudonym",
    Action.REDACT: "is redacted",
    Action.HOLD: "leaves only if a human agrees",
    Action.DENY: "may not leave",
}
_NAMES = {"secret": "a secret", "pci": "card data", "phi": "health data", "pii": "personal data"}


def describe_dlp(rules: DlpRules) -> list[str]:
    """One phrase for each rule, such as `personal data is redacted`; empty if nothing is said."""
    return [f"{_named(name)} {_WORDS[action]}" for name, action in _said(rules).items()]


def diff_dlp(
    before: DlpRules, after: DlpRules, unsaid: str = "what its clearance says holds"
) -> Iterator[tuple[Kind, str]]:
    """`gains`, `loses` or `changes` with a phrase, for each rule that differs; `unsaid` is what holds without one."""
    old, new = _said(before), _said(after)
    for name in [name for name in {**old, **new} if old.get(name) != new.get(name)]:
        was, now = old.get(name), new.get(name)
        if now is None or was is None:
            phrase = unsaid if now is None else _WORDS[now]
            yield "changes", f"{_named(name)}: {phrase} now"
        else:
            yield ("loses" if strictest((was, now)) is now else "gains"), f"{_named(name)} {_WORDS[now]}"


def _said(rules: DlpRules) -> dict[str, Action]:
    said = {name: getattr(rules, name) for name in _NAMES}
    return {**{name: action for name, action in said.items() if action is not None}, **rules.detectors}


def _named(name: str) -> str:
    return _NAMES.get(name, f"what the detector {name} finds")
