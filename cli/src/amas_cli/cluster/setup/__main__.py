"""`python -m amas_cli.cluster.setup`: run by the chart's hook before pods start, and by its CronJob that renews.

It makes what is missing and never overwrites what it did not make. Logs are JSON on stderr; a secret is in none.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from amas_chassis import logs

from amas_cli.certificates import RENEW_BEFORE
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .certificates import CertificateSecrets, Report
from .database import set_up_database
from .plain_secrets import ensure_secret, wanted
from .ports import SecretStore
from .settings import SetupFile, read_setup_file

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; answers an exit code of docs and `ExitCode`."""
    options = _parser().parse_args(arguments)
    logs.configure("setup", "info")
    try:
        setup = read_setup_file(Path(options.file))
        # Loaded this late: it takes a second, which a wrong file need not.
        from .kubernetes_secrets import KubernetesSecrets

        store = KubernetesSecrets(setup.namespace, setup.labels)
        if options.rotate:
            rotate(setup, store, options.rotate, options.within)
        else:
            set_up(setup, store)
    except CliError as error:
        _log.error(error.message, extra={"next": error.next_step, "exit_code": int(error.exit_code)})
        return int(error.exit_code)
    return int(ExitCode.OK)


def set_up(setup: SetupFile, store: SecretStore) -> None:
    """All that an installation needs. CliError at the first thing that cannot be done; what was made stays."""
    names = setup.named()
    held = {want.name: ensure_secret(store, want) for want in wanted(names)}
    if setup.certificates.mode == "job":
        _tell(CertificateSecrets(store, setup).ensure(RENEW_BEFORE))
    if setup.database.enabled:
        passwords = {role: held[name].data["password"].decode().strip() for role, name in names.postgres.items()}
        asyncio.run(set_up_database(setup.database, passwords))
    _log.info("set up", extra={"release": setup.release, "namespace": setup.namespace})


def rotate(setup: SetupFile, store: SecretStore, what: str, within_days: int | None) -> None:
    """Renews `certificates` that end within so many days, or all; or takes a step of replacing the `authority`."""
    if setup.certificates.mode != "job":
        raise CliError(
            f"Certificates are not made here (certificates.mode is {setup.certificates.mode}).",
            next_step="renew them where they are made",
            exit_code=ExitCode.CONFLICT,
        )
    certificates = CertificateSecrets(store, setup)
    if what == "authority":
        _tell(certificates.rotate_authority())
    else:
        _tell(certificates.rotate(None if within_days is None else dt.timedelta(days=within_days)))


def _tell(report: Report) -> None:
    _log.info("certificates are in place", extra={"made": report.made, "renewed": report.renewed, "kept": report.kept})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m amas_cli.cluster.setup", description=__doc__)
    parser.add_argument(
        "--file",
        default=os.environ.get("AMAS_SETUP_FILE", "/etc/amas/setup/setup.json"),
        help="what to set up, as JSON (AMAS_SETUP_FILE)",
    )
    parser.add_argument("--rotate", choices=["certificates", "authority"], help="renew these instead of setting up")
    parser.add_argument(
        "--within",
        type=_days,
        metavar="DAYS",
        help="with --rotate: renew what ends within so many days; without it: all",
    )
    return parser


def _days(text: str) -> int:
    days = int(text)
    if not 0 <= days <= 3650:  # ten years, which no certificate lives
        raise argparse.ArgumentTypeError("from 0 to 3650")
    return days


if __name__ == "__main__":
    sys.exit(main())
