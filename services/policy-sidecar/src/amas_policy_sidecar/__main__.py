"""`python -m amas_policy_sidecar` serves until it is told to stop."""

import sys

from amas_chassis.service import main

from .bootstrap import NAME, build

if __name__ == "__main__":
    sys.exit(main(NAME, build))
