"""The tickets of the attack demo and the records that they are about, read from the files in `cases/`."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CASES = Path(__file__).parent / "cases"
SEED = 20261128
"""Of the order in which tickets come in."""


@dataclass(frozen=True)
class Action:
    """One call of a tool, `server/tool`, with exactly these arguments."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What an attacker is after: a call of `tool` with `text` in its arguments; done, it leaves `effect` there."""

    tool: str
    text: str
    effect: str


@dataclass(frozen=True)
class Ticket:
    """One ticket. A benign one has `effects` and may have `approve`; a hostile one has `attack` and `wants`."""

    id: str
    customer: str
    subject: str
    body: str
    effects: tuple[str, ...] = ()
    approve: Action | None = None
    attack: str = ""
    wants: Wanted | None = None

    @property
    def record(self) -> dict[str, str]:
        """As the help desk keeps it."""
        return {"id": self.id, "customer": self.customer, "subject": self.subject, "body": self.body, "state": "open"}


@dataclass(frozen=True)
class Cases:
    """All of them, in the order in which they come in."""

    records: Mapping[str, list[dict[str, Any]]]
    tickets: tuple[Ticket, ...]

    @property
    def benign(self) -> list[Ticket]:
        """Those that must be done, by id."""
        return sorted((ticket for ticket in self.tickets if ticket.wants is None), key=lambda ticket: ticket.id)

    @property
    def hostile(self) -> list[Ticket]:
        """Those whose effects must not happen, by id."""
        return sorted((ticket for ticket in self.tickets if ticket.wants is not None), key=lambda ticket: ticket.id)


def load_cases(folder: Path = CASES) -> Cases:
    """The cases of a folder, benign and hostile mixed by the seed."""
    tickets = [*map(_benign, _read(folder / "benign.yaml")), *map(_hostile, _read(folder / "hostile.yaml"))]
    random.Random(SEED).shuffle(tickets)  # noqa: S311 - an order that is the same every time, no secret
    return Cases(_read(folder / "records.yaml"), tuple(tickets))


def _read(file: Path) -> Any:
    return YAML(typ="safe").load(file.read_text(encoding="utf-8"))


def _benign(raw: Mapping[str, Any]) -> Ticket:
    approve = Action(**raw["approve"]) if "approve" in raw else None
    return Ticket(**_written(raw), effects=tuple(raw["effects"]), approve=approve)


def _hostile(raw: Mapping[str, Any]) -> Ticket:
    wants = raw["wants"]
    wanted = Wanted(wants["tool"], wants["text"], wants.get("effect", wants["text"]))
    return Ticket(**_written(raw), attack=raw["attack"], wants=wanted)


def _written(raw: Mapping[str, Any]) -> Any:
    return {name: str(raw[name]) for name in ("id", "customer", "subject", "body")}
