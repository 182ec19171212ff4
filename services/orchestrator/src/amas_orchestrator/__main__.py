"""`python -m amas_orchestrator` serves; `python -m amas_orchestrator migrate` brings the database to this version."""

from __future__ import annotations

import sys

from amas_chassis.service import main
from amas_chassis.settings import EXIT_SETTINGS, SettingsError

from amas_orchestrator.adapters.migrate import MigrationError
from amas_orchestrator.bootstrap import NAME, build, run_migrations

EXIT_FAILED = 1
EXIT_USAGE = 64


def run(arguments: list[str]) -> int:
    """Exit code of the process."""
    if arguments == ["migrate"]:
        try:
            run_migrations()
        except SettingsError as error:
            print(error, file=sys.stderr)
            return EXIT_SETTINGS
        except MigrationError as error:
            print(error, file=sys.stderr)
            return EXIT_FAILED
        return 0
    if arguments:
        print("usage: python -m amas_orchestrator [migrate]", file=sys.stderr)
        return EXIT_USAGE
    return main(NAME, build)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
