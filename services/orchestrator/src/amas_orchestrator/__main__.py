"""`python -m amas_orchestrator` serves; `python -m amas_orchestrator migrate` brings the database to this version."""

from __future__ import annotations

import sys

from amas_chassis.settings import EXIT_SETTINGS, SettingsError, load

from amas_orchestrator.adapters.migrate import MigrationError, migrate
from amas_orchestrator.settings import OrchestratorSettings

EXIT_FAILED = 1
EXIT_USAGE = 64


def run(arguments: list[str]) -> int:
    """Exit code of the process."""
    if arguments == ["migrate"]:
        try:
            settings = load(OrchestratorSettings)
            migrate(settings.owner_dsn(), settings.dbos_schema)
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
    # Not at the top: who migrates needs none of what serves, and loading that takes longer than migrating.
    from amas_chassis.service import main

    from amas_orchestrator.bootstrap import NAME, build

    return main(NAME, build)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
