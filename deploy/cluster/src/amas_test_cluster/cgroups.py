"""The cgroups of pods, under either version of the hierarchy."""

from __future__ import annotations

import os
from pathlib import Path

from .files import remove_if_empty
from .waiting import becomes

ROOT = Path("/sys/fs/cgroup")
PODS = "kubepods"
END_S = 10.0


def pod_cgroups(root: Path = ROOT) -> list[Path]:
    """The tops of the pods' cgroups: one with version 2, one a controller with version 1."""
    return sorted(path for path in (root / PODS, *root.glob(f"*/{PODS}")) if path.is_dir())


def remove_pod_cgroups() -> None:
    """Removes them from the bottom up; the kernel keeps one for a moment after its last process."""

    def gone() -> bool:
        for top in pod_cgroups():
            for folder, _, _ in os.walk(top, topdown=False):
                remove_if_empty(Path(folder))
        return not pod_cgroups()

    becomes(gone, END_S)
