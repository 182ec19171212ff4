"""A service can start other programs while gRPC is at work."""

from __future__ import annotations

import subprocess
import sys


def test_grpc_is_told_before_it_is_imported() -> None:
    """It reads this once: whatever of the chassis comes first, gRPC's fork handlers are off."""
    script = "import amas_chassis.service, os, grpc; print(os.environ['GRPC_ENABLE_FORK_SUPPORT'])"
    done = subprocess.run([sys.executable, "-c", script], env={}, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
