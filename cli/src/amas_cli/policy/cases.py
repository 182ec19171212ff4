"""The cases that stand beside each policy, read from `**/cases.yaml`. The one reader, for commands and for tests."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

BASE_INPUT = "base_input.yaml"
_MEMBERS = frozenset({"name", "set", "replace", "effect", "codes", "approval"})


@dataclass(frozen=True)
class Case:
    """One input, and the decision that must come out of every engine."""

    policy: str
    name: str
    document: dict[str, Any]
    effect: str
    codes: list[str]
    approval: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.policy}: {self.name}"


def read_cases(folder: Path) -> Iterator[Case]:
    """Every case; one starts from `base_input.yaml` and sets dotted paths on it. CliError for a file that is wrong."""
    base: Any = None
    for path in sorted(folder.rglob("cases.yaml")):
        entries = _load(path)
        if not isinstance(entries, list):
            raise _wrong(path, "it is no list of cases")
        for raw in entries:
            _check(path, raw)
            if "replace" not in raw and base is None:
                base = _load(folder / BASE_INPUT)
            document = copy.deepcopy(raw.get("replace", base))
            for dotted, value in (raw.get("set") or {}).items():
                _set_path(path, document, dotted, value)
            yield Case(
                policy=str(path.parent.relative_to(folder)),
                name=raw["name"],
                document=document,
                effect=raw["effect"],
                codes=sorted(raw["codes"]),
                approval=raw.get("approval"),
            )


def _load(path: Path) -> Any:
    if not path.is_file():
        raise CliError(f"There is no file {path}, from which cases start.", exit_code=ExitCode.USAGE)
    try:
        return YAML(typ="safe").load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise _wrong(path, " ".join(str(error).split())) from error


def _check(path: Path, raw: object) -> None:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("name"), str):
        raise _wrong(path, "a case has no name")
    unknown = sorted(str(member) for member in raw if member not in _MEMBERS)
    if unknown:
        raise _wrong(path, f"case {raw['name']!r} has the unknown member {unknown[0]}")
    if not isinstance(raw.get("effect"), str) or not isinstance(raw.get("codes"), list):
        raise _wrong(path, f"case {raw['name']!r} does not say its effect and its codes")


def _set_path(path: Path, document: Any, dotted: str, value: Any) -> None:
    """Sets `a.b.c` in nested mappings."""
    *parents, last = dotted.split(".")
    try:
        for name in parents:
            document = document[name]
        document[last] = value
    except (KeyError, TypeError) as error:
        raise _wrong(path, f"{dotted} cannot be set: there is nothing of that name to set it in") from error


def _wrong(path: Path, why: str) -> CliError:
    return CliError(f"{path}: {why}.", exit_code=ExitCode.USAGE)
