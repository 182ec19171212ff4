"""What each exit code of `amas` means. Scripts depend on these numbers: never renumber one."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Documented in cli/README.md, which a test holds against this list."""

    OK = 0
    FAILED = 1
    """The command, or the run that it followed, failed or was rejected."""
    USAGE = 2
    """The command line or a file that it names is wrong."""
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    """No valid token, or the principal lacks the right."""
    UNAVAILABLE = 5
    """Nobody answered, in time or at all."""
    CONFLICT = 6
    """It is there already, in another state, or somebody else was first."""
    INTERRUPTED = 130
