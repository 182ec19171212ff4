"""`python -m amas_orchestrator` serves; `python -m amas_orchestrator migrate` brings the database to this version."""

from __future__ import annotations

import sys

from amas_chassis.service import main

from amas_orchestrator.bootstrap import NAME, build, run_migrations

EXIT_USAGE = 64


def run(arguments: list[str]) -> int:
    """Exit code of the process."""
    if arguments == ["migrate"]:
        run_migrations()
        return 0
    if arguments:
        print("usage: python -m amas_orchestrator [migrate]", file=sys.stderr)
        return EXIT_USAGE
    return main(NAME, build)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
