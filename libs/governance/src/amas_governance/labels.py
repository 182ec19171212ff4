"""Labels: what a value carries about itself. They form a lattice in which values only rise (invariant I6).

Nothing here lowers a label: declassification is an audited decision and lives with the policy that makes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, ClassVar

CATEGORIES = frozenset({"pii", "phi", "pci", "secret"})


class Confidentiality(IntEnum):
    """Who may see a value; a higher number may be seen by fewer."""

    PUBLIC = 1
    INTERNAL = 2
    CONFIDENTIAL = 3
    RESTRICTED = 4

    @property
    def label(self) -> str:
        """The name that resources use: `public`, `internal`, `confidential` or `restricted`."""
        return self.name.lower()

    @classmethod
    def parse(cls, name: str) -> Confidentiality:
        """The member of that name; raises ValueError for an unknown one."""
        for member in cls:
            if member.label == name:
                return member
        raise ValueError(f"expected one of {', '.join(m.label for m in cls)}")


class Integrity(StrEnum):
    """Whether somebody outside could have written the value. `untrusted` is the higher one: it spreads."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True)
class Label:
    """Confidentiality, categories and integrity of one value."""

    confidentiality: Confidentiality = Confidentiality.PUBLIC
    categories: frozenset[str] = field(default_factory=frozenset)
    integrity: Integrity = Integrity.TRUSTED

    LOWEST: ClassVar[Label]

    def __post_init__(self) -> None:
        """Refuses categories that nobody defined: a misspelt one would never be checked."""
        unknown = self.categories - CATEGORIES
        if unknown:
            raise ValueError(f"unknown categories: {', '.join(sorted(unknown))}")

    def join(self, other: Label) -> Label:
        """The lowest label that is at least as high as both: what a value made of both carries."""
        untrusted = Integrity.UNTRUSTED in (self.integrity, other.integrity)
        return Label(
            confidentiality=max(self.confidentiality, other.confidentiality),
            categories=self.categories | other.categories,
            integrity=Integrity.UNTRUSTED if untrusted else Integrity.TRUSTED,
        )

    def flows_to(self, other: Label) -> bool:
        """Whether a value with this label may go where `other` is the ceiling."""
        return self.join(other) == other

    def within(self, clearance: Confidentiality, categories: Iterable[str]) -> bool:
        """Whether somebody cleared so far may see the value, whatever its integrity."""
        return self.confidentiality <= clearance and self.categories <= frozenset(categories)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form, categories sorted."""
        return {
            "confidentiality": self.confidentiality.label,
            "categories": sorted(self.categories),
            "integrity": self.integrity.value,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Label:
        """The label of `to_dict`; raises ValueError if a part is missing or unknown (never guesses low)."""
        try:
            return cls(
                confidentiality=Confidentiality.parse(value["confidentiality"]),
                categories=frozenset(value["categories"]),
                integrity=Integrity(value["integrity"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError("a label needs confidentiality, categories and integrity") from error


Label.LOWEST = Label()


def join_all(labels: Iterable[Label]) -> Label:
    """Join of any number of labels; of none it is the lowest."""
    result = Label.LOWEST
    for label in labels:
        result = result.join(label)
    return result
