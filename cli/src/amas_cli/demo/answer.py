"""How the demo's approval is answered: by `DEMO_APPROVE`, else by the person at the terminal."""

from collections.abc import Mapping
from enum import StrEnum

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.prompt import confirm


class Answer(StrEnum):
    """Who decides."""

    YES = "yes"
    NO = "no"
    ASK = "ask"

    async def approves(self) -> bool:
        """The answer, asked for if need be."""
        if self is Answer.ASK:
            return await confirm("Approve exactly this, as release-manager?")
        return self is Answer.YES


def parse_answer(environment: Mapping[str, str], *, interactive: bool) -> Answer:
    """Raises CliError, before anything is started, when nobody could answer."""
    given = environment.get("DEMO_APPROVE", "").strip().lower()
    if given in {Answer.YES, Answer.NO}:
        return Answer(given)
    if given:
        raise CliError(f"DEMO_APPROVE must be yes or no, not {given!r}.", exit_code=ExitCode.USAGE)
    if not interactive:
        raise CliError(
            "The demo asks for an approval, and there is no terminal to ask at.",
            next_step="run `make demo DEMO_APPROVE=yes` or `make demo DEMO_APPROVE=no`",
            exit_code=ExitCode.USAGE,
        )
    return Answer.ASK
