"""Finds the files of a folder of policies. What decides is called `policy.rego`, one folder a policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

DECIDES = "policy.rego"
ENTRYPOINT = "amas/main/decision"
QUERY = "data.amas.main.decision"


@dataclass(frozen=True)
class Sources:
    """The files of one folder, each list in the order of its paths."""

    folder: Path
    policies: tuple[Path, ...]
    """What is compiled and decides."""
    modules: tuple[Path, ...]
    """All Rego: also the tests."""

    @classmethod
    def of(cls, folder: Path) -> Sources:
        """CliError for a folder that is none, or that has no policy."""
        if not folder.is_dir():
            raise CliError(f"There is no folder {folder}.", exit_code=ExitCode.USAGE)
        modules = tuple(sorted(folder.rglob("*.rego")))
        policies = tuple(path for path in modules if path.name == DECIDES)
        if not policies:
            raise CliError(
                f"There is no {DECIDES} in {folder}.",
                next_step="name the folder that holds the policies",
                exit_code=ExitCode.USAGE,
            )
        return cls(folder, policies, modules)

    def data_flags(self) -> list[str]:
        """The policies as `opa eval` takes them."""
        return [word for path in self.policies for word in ("--data", str(path))]
