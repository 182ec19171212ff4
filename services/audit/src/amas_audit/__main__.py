"""`python -m amas_audit` serves; `python -m amas_audit migrate` brings the database to the newest revision."""

from __future__ import annotations

import sys

from amas_chassis.service import EXIT_FAILED, main
from amas_chassis.settings import EXIT_SETTINGS, SettingsError

from amas_audit.bootstrap import NAME, build, run_migrations
from amas_audit.domain.errors import NotReadyError

# As in sysexits.h.
EXIT_USAGE = 64


def run(arguments: list[str]) -> int:
    """Exit code of the process."""
    if arguments == ["migrate"]:
        return _migrate()
    if arguments:
        print("usage: python -m amas_audit [migrate]", file=sys.stderr)
        return EXIT_USAGE
    return main(NAME, build)


def _migrate() -> int:
    try:
        run_migrations()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    except NotReadyError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
