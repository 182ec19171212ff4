"""Peers of the policy benchmark, installed once into folders named for their versions (see the router's peers)."""

from __future__ import annotations

from pathlib import Path

from ..router.peers import installed, pip

PRESIDIO_VERSION = "2.2.366"
EVALUATOR_VERSION = "0.3.2"
FAKER_VERSION = "40.63.0"
TOOLKIT_VERSION = "4.1.0"
"""The newest of agent-governance-toolkit whose core can be installed beside it."""


def presidio() -> Path:
    """The interpreter that has Presidio, and the templates of presidio-evaluator without what trains models.

    Raises:
        NotInstalledError: pip cannot install it.
    """

    def install(folder: Path) -> None:
        pip(folder, f"presidio-analyzer=={PRESIDIO_VERSION}", f"faker=={FAKER_VERSION}")
        pip(folder, "--no-deps", f"presidio-evaluator=={EVALUATOR_VERSION}")

    return installed(f"presidio-{PRESIDIO_VERSION}", install) / "bin" / "python"


def toolkit() -> Path:
    """The interpreter that has Microsoft's agent-governance-toolkit.

    Raises:
        NotInstalledError: pip cannot install it.
    """

    def install(folder: Path) -> None:
        pip(folder, f"agent-governance-toolkit[core]=={TOOLKIT_VERSION}")

    return installed(f"agent-governance-toolkit-{TOOLKIT_VERSION}", install) / "bin" / "python"
