"""Roles and schemas on the installation's Postgres, with the passwords that its Secrets hold."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import asyncpg

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.database_setup import prepare_database

from .settings import DatabaseSetup

PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)


async def set_up_database(database: DatabaseSetup, passwords: Mapping[str, str]) -> None:
    """Makes what is missing; waits for a server that is away. CliError says what is wrong, and never a password."""
    dsn = _admin_dsn(database)
    place = f"{database.host}:{database.port}"
    deadline = time.monotonic() + database.wait_seconds
    while True:
        try:
            await prepare_database(dsn, passwords, database=database.name)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise CliError(
                    f"The database server {place} cannot be reached: {_why(error)}.",
                    next_step="look at its address, and whether this pod may reach it",
                    exit_code=ExitCode.UNAVAILABLE,
                ) from error
            _log.warning("the database server is away, asking again", extra={"server": place, "why": _why(error)})
            await asyncio.sleep(PAUSE_SECONDS)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
            raise CliError(
                f"The database server {place} does not take the password of {database.admin_user}.",
                next_step="look at the secret that holds it",
                exit_code=ExitCode.NOT_ALLOWED,
            ) from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise CliError(
                f"{database.admin_user} may not set up {database.name} on {place}: {error}.",
                next_step="name a role that may create roles and databases",
                exit_code=ExitCode.NOT_ALLOWED,
            ) from error
        except asyncpg.PostgresError as error:
            raise CliError(f"The database {database.name} on {place} cannot be set up: {error}.") from error
        else:
            _log.info("the database is set up", extra={"server": place, "database": database.name})
            return


def _admin_dsn(database: DatabaseSetup) -> str:
    path = Path(database.admin_password_file)
    try:
        password = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(
            f"The password of {database.admin_user} cannot be read from {path}.", exit_code=ExitCode.USAGE
        ) from error
    query: dict[str, str] = {"sslmode": database.ssl_mode}
    if database.ssl_root_cert_file:
        query["sslrootcert"] = database.ssl_root_cert_file
    user = f"{quote(database.admin_user, safe='')}:{quote(password, safe='')}"
    place = f"{database.host}:{database.port}/{quote(database.admin_database, safe='')}"
    return f"postgresql://{user}@{place}?{urlencode(query)}"


def _why(error: BaseException) -> str:
    # The network's words name addresses alone; a password is in none of them.
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
