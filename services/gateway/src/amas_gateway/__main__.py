"""`python -m amas_gateway`: serves until SIGTERM."""

from __future__ import annotations

import sys

from amas_chassis.service import main

from amas_gateway.bootstrap import build

if __name__ == "__main__":
    sys.exit(main("gateway", build))
