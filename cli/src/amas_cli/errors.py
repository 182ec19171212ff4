"""The one error that a command raises: a sentence, a next step and an exit code. Never shown with a stack trace."""

from .exit_codes import ExitCode


class CliError(Exception):
    """Something a user can act on.

    `message` is one sentence; `next_step` says what to do now; `details` are further lines such as the end of a log.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        exit_code: ExitCode = ExitCode.FAILED,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.exit_code = exit_code
        self.details = details

    def lines(self) -> list[str]:
        """What is printed on stderr."""
        out = [f"error: {self.message}", *(f"  | {line}" for line in self.details)]
        if self.next_step:
            out.append(f"next: {self.next_step}")
        return out
