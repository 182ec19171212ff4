"""`python -m amas_cli.demo --repo PATH`, behind `make demo`: the whole product on a copy of a real repository."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from amas_cli.commands.guard import fail
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.home import Home
from amas_cli.output.prompt import interactive
from amas_cli.output.terminal import line

from .answer import Answer, parse_answer
from .ending import ended_by_signals, keep_logs
from .repository import clone_repository
from .script import Demo
from .stage import platform, temporary_home

AFTERWARDS = """
keep a platform up, and look around:
  .venv/bin/amas up                      API http://127.0.0.1:7080/v1, its docs http://127.0.0.1:7080/docs
  git clone -q -c user.name=agents -c user.email=agents@example.com . .amas/workspace/repository
                                         what release-notes works on, and commits as
  .venv/bin/amas login --as developer    then: amas apply -f policies/contracts/release-notes -f .amas/resources
  .venv/bin/amas --help                  docs/ has the architecture and the decisions; amas down stops it"""


def main(arguments: list[str]) -> int:
    """Play the demo; answers an exit code (see exit_codes.py). Nothing is left behind, whatever happens."""
    parser = argparse.ArgumentParser(prog="amas_cli.demo", description=__doc__)
    parser.add_argument("--repo", default=".", help="any Git repository; it is only read")
    repo = Path(parser.parse_args(arguments).repo or ".").absolute()
    ended_by_signals()
    try:
        answer = parse_answer(os.environ, interactive=interactive())
        with temporary_home() as home:
            _play(home, repo, answer)
    except CliError as error:
        return fail(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    line(AFTERWARDS)
    return int(ExitCode.OK)


def _play(home: Home, repo: Path, answer: Answer) -> None:
    """Everything between an empty folder and a stopped platform."""
    line(f"copying {repo}", "strong")
    copy = clone_repository(repo, home.workspace)
    if copy.dirty:
        line("  its uncommitted changes are not part of the copy")
    line("starting the platform", "strong")
    try:
        with platform(home):
            asyncio.run(Demo(home, copy, answer).play())
    except (CliError, TimeoutError) as error:
        raise keep_logs(home, error) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
