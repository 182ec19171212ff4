"""From an HTTP answer that is not a success to one sentence, a next step and an exit code (RFC 9457 problem+json)."""

import json
from collections.abc import Mapping
from typing import Any

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

_EXIT_CODES = {
    400: ExitCode.USAGE,
    401: ExitCode.NOT_ALLOWED,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
    408: ExitCode.UNAVAILABLE,
    409: ExitCode.CONFLICT,
    412: ExitCode.CONFLICT,
    413: ExitCode.USAGE,
    422: ExitCode.USAGE,
    429: ExitCode.UNAVAILABLE,
    499: ExitCode.INTERRUPTED,
    502: ExitCode.UNAVAILABLE,
    503: ExitCode.UNAVAILABLE,
    504: ExitCode.UNAVAILABLE,
}
_NEXT_STEPS = {
    401: "log in with `amas login --as PRINCIPAL`",
    403: "use another principal with `--as PRINCIPAL`",
    404: "see what there is with `amas get runs`, `amas get approvals` or `amas get resources`",
    503: "look at `amas status`, then try again",
    504: "look at `amas status`, then try again",
}
MAX_DETAILS = 20


class ResourcesRefusedError(CliError):
    """Resources that are not valid; `problems` say where, and nothing was applied."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        super().__init__(
            f"Nothing was applied: {count}.", next_step="correct the places above", exit_code=ExitCode.USAGE
        )
        self.problems = problems


def stream_problem(data: str) -> CliError:
    """The error that a stream ended with. One that another connection may cure has the exit code UNAVAILABLE."""
    problem = _parse(data.encode())
    if problem.get("reason") == "TOKEN_EXPIRED":
        return CliError("The token ended while watching.", exit_code=ExitCode.UNAVAILABLE)
    return problem_error(int(problem.get("status") or 500), data.encode(), {})


def problem_error(status: int, body: bytes, headers: Mapping[str, str]) -> CliError:
    """The error of an answer. A body that is no problem document is not shown: it may be anything."""
    problem = _parse(body)
    if isinstance(problem.get("problems"), list) and problem["problems"]:
        return ResourcesRefusedError(problem["problems"])
    text = str(problem.get("detail") or problem.get("title") or f"The gateway answered with status {status}")
    reason = str(problem.get("reason") or "")
    message = text.rstrip(".") + (f" ({reason})." if reason else ".")
    next_step = _NEXT_STEPS.get(status, "")
    if status == 429 or (status == 503 and headers.get("Retry-After")):
        next_step = f"try again in {headers.get('Retry-After', 'a few')} seconds"
    exit_code = _EXIT_CODES.get(status, ExitCode.UNAVAILABLE if status == 500 else ExitCode.FAILED)
    return CliError(message, next_step=next_step, exit_code=exit_code, details=_violations(problem))


def _parse(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        # The shape of the OpenAI API, and of OAuth.
        return {"detail": value["error"].get("message", ""), "reason": value["error"].get("code", "")}
    return value if isinstance(value, dict) else {}


def _violations(problem: Mapping[str, Any]) -> tuple[str, ...]:
    found = problem.get("violations") or []
    if not isinstance(found, list):
        return ()
    lines = [f"{item.get('field', '')}: {item.get('description', '')}" for item in found if isinstance(item, dict)]
    return tuple(lines[:MAX_DETAILS])
