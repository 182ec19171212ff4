"""The working copy that the demo works on: a clone of the newcomer's repository, which itself is never touched.

The clone has no remote, no hooks and an identity of its own, so that nothing can flow back.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.printable import printable

FOLDER = "repository"
"""Name of the working copy below the workspace, as the contracts have it."""
CLONE_TIMEOUT_S = 600
COMMAND_TIMEOUT_S = 60
BRANCH = "amas-demo"
IDENTITY = (
    ("user.name", "AMAS demo"),
    ("user.email", "demo@amas.invalid"),
    ("commit.gpgsign", "false"),
    ("core.hooksPath", os.devnull),
    ("gc.auto", "0"),
)


@dataclass(frozen=True)
class WorkingCopy:
    """The clone and the commit that it began with."""

    path: Path
    head: str
    dirty: bool
    """The original has changes that are not committed, and so are not in the clone."""

    def new_commits(self) -> int:
        """How many commits were made in the clone since it began."""
        return int(_git("rev-list", "--count", f"{self.head}..HEAD", folder=self.path))


def clone_repository(source: Path, workspace: Path) -> WorkingCopy:
    """Clone a repository of any kind (bare, detached, shallow, a folder inside one) into the workspace.

    Raises CliError for what is no repository, or has no commit.
    """
    if shutil.which("git") is None:
        raise CliError("git is not installed.", next_step="install git, then run the demo again")
    root, bare = _find(source)
    if not _git("rev-list", "-n", "1", "--all", folder=root):
        raise CliError(
            f"{root} has no commits yet, so there is nothing to write release notes about.",
            next_step="name another repository with `make demo REPO=/path/to/repository`",
            exit_code=ExitCode.USAGE,
        )
    dirty = False if bare else bool(_git("status", "--porcelain", "--untracked-files=no", folder=root))
    target = workspace / FOLDER
    # An absolute path is taken as a path, never as a URL or an option.
    _git(
        "clone", "--quiet", "--local", "--no-hardlinks", "--template=", str(root), str(target),
        folder=workspace, seconds=CLONE_TIMEOUT_S,
    )  # fmt: skip
    head = _head(target, root)
    for name, value in IDENTITY:
        _git("config", "--local", name, value, folder=target)
    _git("remote", "remove", "origin", folder=target)
    return WorkingCopy(target, head, dirty)


def _head(target: Path, root: Path) -> str:
    """Put the clone on a branch of its own, at the commit where the original stands."""
    try:
        start = _git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", folder=root)
    except CliError:
        # The original's HEAD names a branch without a commit; the newest commit of all stands in.
        start = _git("rev-list", "-n", "1", "--all", folder=target)
    _git("checkout", "--quiet", "--no-track", "-B", BRANCH, start, folder=target)
    return start


def _find(source: Path) -> tuple[Path, bool]:
    """Folder of the repository that a path lies in, and whether it is bare."""
    if not source.is_dir():
        raise CliError(f"REPO={source} is not a folder.", exit_code=ExitCode.USAGE)
    try:
        bare = _git("rev-parse", "--is-bare-repository", folder=source) == "true"
        what = "--absolute-git-dir" if bare else "--show-toplevel"
        return Path(_git("rev-parse", what, folder=source)), bare
    except CliError as error:
        raise CliError(
            f"REPO={source} is not a Git repository that git can read.",
            next_step="name one with `make demo REPO=/path/to/repository`",
            details=error.details,
            exit_code=ExitCode.USAGE,
        ) from error


def _git(*arguments: str, folder: Path, seconds: float = COMMAND_TIMEOUT_S) -> str:
    """Run git in a folder; answers what it printed. Raises CliError with git's own words."""
    # Variables such as GIT_DIR, set where a hook runs make, would point git elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment.update(GIT_TERMINAL_PROMPT="0", GIT_LFS_SKIP_SMUDGE="1", LC_ALL="C")
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, arguments without a shell
            ["git", *arguments],  # noqa: S607 - the user's own git
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise CliError(f"git {arguments[0]} took longer than {seconds:.0f} s.") from error
    if done.returncode != 0:
        words = tuple(printable(line) for line in done.stderr.strip().splitlines()[-3:])
        raise CliError(f"git {arguments[0]} failed in {folder}.", details=words)
    return done.stdout.strip()
