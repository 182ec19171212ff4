"""DlpRules: what happens to sensitive data that an agent would carry out in the arguments of a tool."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from amas_governance.admission import Rule, rules
from amas_governance.dlp.actions import CATEGORY_OF, Action

from .manifest_fields import Model

_KNOWN = Rule(
    "self.all(name, name in {" + ", ".join(f"'{name}': 1" for name in sorted(CATEGORY_OF)) + "})",
    "there is no such detector; docs/data-protection.md names all",
)


class DlpRules(Model):
    """An action for each category, or for single detectors; what is not said follows from the role's clearance."""

    secret: Action | None = None
    pci: Action | None = None
    phi: Action | None = None
    pii: Action | None = None
    detectors: Annotated[dict[str, Action], Field(max_length=256), rules(_KNOWN)] = Field(default_factory=dict)
    """By the detector's name (docs/data-protection.md); goes before the action of its category."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(self.detectors.keys() - CATEGORY_OF.keys())
        if unknown:
            raise ValueError(f"there is no detector {unknown[0]}; docs/data-protection.md names all")
        return self

    def action(self, detector: str, category: str) -> Action | None:
        """What is said about a detector, or about its category; None if nothing is."""
        said: Action | None = self.detectors.get(detector) or getattr(self, category)
        return said
