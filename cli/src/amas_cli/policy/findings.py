"""One thing that is wrong with policies, and its place."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """`check` says which check found it."""

    check: str
    place: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """For JSON and YAML."""
        return asdict(self)
