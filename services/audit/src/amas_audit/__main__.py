"""`python -m amas_audit` serves; its commands are for operators.

`migrate` brings the database to the newest revision, `rewrap` renews the wrapping of the keys of contents, `archive`
archives closed partitions, `archive check` reads an archive and sees that it fits, `archive drop` drops from the
database what is archived.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from amas_chassis.settings import EXIT_SETTINGS, SettingsError, load

from amas_audit.domain.errors import ArchiveDamagedError, LogDamagedError, NotReadyError
from amas_audit.settings import AuditSettings

EXIT_FAILED = 1
# As in sysexits.h.
EXIT_USAGE = 64


def run(arguments: list[str]) -> int:
    """Exit code of the process."""
    if arguments == ["migrate"]:
        return _as_owner(_migrate)
    if arguments == ["rewrap"]:
        return _as_owner(_rewrap)
    if arguments[:1] == ["archive"] and arguments[1:] in ([], ["check"], ["drop"]):
        return _archive(arguments[1:])
    if arguments:
        print("usage: python -m amas_audit [migrate | rewrap | archive [check | drop]]", file=sys.stderr)
        return EXIT_USAGE
    # Not at the top: who migrates needs none of what serves, and loading that takes longer than migrating.
    from amas_chassis.service import main

    from amas_audit.bootstrap import NAME, build

    return main(NAME, build)


def _migrate(settings: AuditSettings) -> None:
    # Not at the top either: alembic and sqlalchemy cost a serving process 0.2 s and 20 MB that it never uses.
    from amas_audit.adapters.migrate import migrate

    migrate(settings.owner_dsn())


def _rewrap(settings: AuditSettings) -> None:
    from amas_audit.adapters.master_key import read_master_keys
    from amas_audit.adapters.rewrapping import rewrap

    count = asyncio.run(rewrap(settings.owner_dsn(), read_master_keys(settings.master_key_file)))
    print(f"{count} keys are wrapped anew; all are under the first master key now")


def _as_owner(command: Callable[[AuditSettings], None]) -> int:
    try:
        command(load(AuditSettings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    except NotReadyError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return 0


def _archive(what: list[str]) -> int:
    from amas_chassis.errors import AmasError

    from amas_audit.bootstrap import archive, check_archive, drop

    command = {"check": check_archive, "drop": drop}.get("".join(what), archive)

    try:
        print(command(load(AuditSettings)))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    except AmasError as error:
        print(error.message, file=sys.stderr)
        return EXIT_FAILED
    except (NotReadyError, ArchiveDamagedError, LogDamagedError, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
