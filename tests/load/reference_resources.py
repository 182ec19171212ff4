"""The resources of the reference run: those that are shipped, with tool-server rates that a benchmark does not reach.

What is measured is the platform, not its limits; everything else of the shipped resources stays as it is.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ..local_platform import CONTRACTS, LocalPlatform

NAME = "reference"
ORCHESTRATION = Path(__file__).parent / "reference" / "orchestration.yaml"
ROLES = ("historian.yaml", "analyst.yaml", "writer.yaml")
TOOL_SERVERS = ("git.yaml", "workspace.yaml")
# Far beyond what two cores can carry.
RAISED = "rate: 60000/m"
_RATE = re.compile(r"rate: \d+/m")


def write_resources(folder: Path) -> Path:
    """Writes the manifests into a folder.

    Raises:
        ValueError: a shipped tool server states no rate, so that there is none to raise.
    """
    folder.mkdir(parents=True)
    shutil.copy(ORCHESTRATION, folder)
    for role in ROLES:
        shutil.copy(CONTRACTS / "release-notes" / role, folder)
    for server in TOOL_SERVERS:
        text, raised = _RATE.subn(RAISED, (CONTRACTS / "release-notes" / server).read_text())
        if raised != 1:
            raise ValueError(f"{server} states {raised} rates, one was expected")
        (folder / server).write_text(text)
    return folder


def apply_reference(platform: LocalPlatform, folder: Path) -> None:
    """Applies the reference orchestration and the scripted model to a platform that is up."""
    platform.login("developer")
    # Without the day's budget, which a long measurement would spend.
    resources = (str(write_resources(folder)), str(platform.home / "resources" / "model.yaml"))
    platform.command("apply", "-f", resources[0], "-f", resources[1], "--as", "developer")
