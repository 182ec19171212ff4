"""`python -m amas_audit` serves; `python -m amas_audit migrate` brings the database to the newest revision."""

from __future__ import annotations

import sys

from amas_chassis.settings import EXIT_SETTINGS, SettingsError, load

from amas_audit.domain.errors import NotReadyError
from amas_audit.settings import AuditSettings

EXIT_FAILED = 1
# As in sysexits.h.
EXIT_USAGE = 64


def run(arguments: list[str]) -> int:
    """Exit code of the process."""
    if arguments == ["migrate"]:
        return _migrate()
    if arguments:
        print("usage: python -m amas_audit [migrate]", file=sys.stderr)
        return EXIT_USAGE
    # Not at the top: who migrates needs none of what serves, and loading that takes longer than migrating.
    from amas_chassis.service import main

    from amas_audit.bootstrap import NAME, build

    return main(NAME, build)


def _migrate() -> int:
    # Not at the top either: alembic and sqlalchemy cost a serving process 0.2 s and 20 MB that it never uses.
    from amas_audit.adapters.migrate import migrate

    try:
        migrate(load(AuditSettings).owner_dsn())
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    except NotReadyError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
