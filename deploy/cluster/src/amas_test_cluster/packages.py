"""Debian packages whose programs this machine lacks, installed where that can be done, else named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from .commands import run
from .errors import ClusterError
from .progress import say

INSTALL_TIMEOUT_S = 600.0
# Where Debian puts programs for root; not every login's PATH names them.
ALSO_IN = "/usr/sbin:/sbin"


def missing(programs: Iterable[tuple[str, str]]) -> set[str]:
    """Packages of the (program, package) pairs whose program is not there."""
    path = f"{os.environ.get('PATH', '')}:{ALSO_IN}"
    return {package for program, package in programs if shutil.which(program, path=path) is None}


def ensure(packages: Iterable[str]) -> None:
    """Installs these packages with apt, as root; nothing happens if there are none.

    Raises:
        ClusterError: they cannot be installed here; it says by what command they can.
    """
    wanted = sorted(packages)
    if not wanted:
        return
    line = f"apt-get install --yes --no-install-recommends {' '.join(wanted)}"
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise ClusterError(f"missing: {', '.join(wanted)}. On Debian, as root: {line}")
    say(f"installing Debian packages: {', '.join(wanted)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "--quiet"], environment=quiet, timeout=INSTALL_TIMEOUT_S)
    run(line.split(), environment=quiet, timeout=INSTALL_TIMEOUT_S)
