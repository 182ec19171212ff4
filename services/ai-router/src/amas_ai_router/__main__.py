"""`python -m amas_ai_router` serves; `python -m amas_ai_router migrate` brings the schema up to date."""

from __future__ import annotations

import sys

from amas_chassis.settings import SettingsError, load

from amas_ai_router.settings import RouterSettings

EXIT_FAILED = 1
EXIT_USAGE = 2


def run(arguments: list[str]) -> int:
    """The exit code of a command line without the program's name."""
    if not arguments:
        return _serve()
    if arguments == ["migrate"]:
        return _migrate()
    print(f"usage: python -m amas_ai_router [migrate]; got {' '.join(arguments)!r}", file=sys.stderr)
    return EXIT_USAGE


def _serve() -> int:
    # Not at the top: who migrates needs none of what serves, and loading that takes longer than migrating.
    from amas_chassis.service import main

    from amas_ai_router.bootstrap import NAME, build

    return main(NAME, build)


def _migrate() -> int:
    # Not at the top either: alembic and sqlalchemy cost a serving process 0.4 s and 20 MB that it never uses.
    from amas_ai_router.adapters.migrate import MigrationError, migrate

    try:
        migrate(load(RouterSettings).owner_dsn())
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except MigrationError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
