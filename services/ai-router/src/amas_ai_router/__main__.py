"""`python -m amas_ai_router` serves; `python -m amas_ai_router migrate` brings the schema up to date."""

from __future__ import annotations

import sys

from amas_chassis.service import main
from amas_chassis.settings import SettingsError

from amas_ai_router.adapters.migrate import MigrationError
from amas_ai_router.bootstrap import NAME, build, run_migrations

EXIT_FAILED = 1
EXIT_USAGE = 2


def run(arguments: list[str]) -> int:
    """The exit code of a command line without the program's name."""
    if not arguments:
        return main(NAME, build)
    if arguments == ["migrate"]:
        try:
            run_migrations()
        except SettingsError as error:
            print(error, file=sys.stderr)
            return EXIT_USAGE
        except MigrationError as error:
            print(error, file=sys.stderr)
            return EXIT_FAILED
        return 0
    print(f"usage: python -m amas_ai_router [migrate]; got {' '.join(arguments)!r}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
