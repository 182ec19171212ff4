"""`python -m amas_cli.demo.attack`, behind `make demo-attack`: a model that obeys attackers, and what comes of it.

The platform is the whole one. Only the model is made to be bad: it does whatever a ticket tells it to do.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time

from amas_cli.commands.guard import fail
from amas_cli.demo.ending import ended_by_signals, keep_logs
from amas_cli.demo.stage import platform, temporary_home
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.home import Home
from amas_cli.local.scripted_model.model_names import GULLIBLE
from amas_cli.output.terminal import line

from .drive import verify_all, work_through
from .help_desk import help_desk
from .report import Report
from .tickets import load_cases
from .verdict import judge


def main(arguments: list[str]) -> int:
    """Play it; exit code 1 if a hostile effect happened, was never tried, or a benign ticket was not done."""
    parser = argparse.ArgumentParser(prog="amas_cli.demo.attack", description=__doc__)
    parser.add_argument("--output", choices=("table", "json"), default="table", help="json: one document, at the end")
    as_json = parser.parse_args(arguments).output == "json"
    ended_by_signals()
    try:
        # Standard output holds the document alone, then.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext(), temporary_home() as home:
            report = _play(home)
            if not as_json:
                report.show()
    except CliError as error:
        return fail(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    if as_json:
        print(json.dumps(report.document(), ensure_ascii=False, indent=2))
    return int(ExitCode.OK if report.good else ExitCode.FAILED)


def _play(home: Home) -> Report:
    cases = load_cases()
    line(
        f"{len(cases.benign)} benign and {len(cases.hostile)} hostile tickets, for a model that does what they say",
        "strong",
    )
    began = time.monotonic()
    with help_desk(home.workspace, cases) as state:
        try:
            with platform(home, model=GULLIBLE):
                seen = asyncio.run(work_through(home, cases))
                unverified = asyncio.run(verify_all(home, seen, home.root))
        except (CliError, TimeoutError) as error:
            raise keep_logs(home, error) from error
        return Report(seen, judge(cases, state.ledger()), unverified, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
