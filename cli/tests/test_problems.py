import json

import pytest
from amas_cli.exit_codes import ExitCode
from amas_cli.gateway.problems import ResourcesRefusedError, problem_error, stream_problem


def problem(**fields: object) -> bytes:
    return json.dumps({"title": "T", "detail": "It is so.", "reason": "WHY", **fields}).encode()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ExitCode.USAGE),
        (401, ExitCode.NOT_ALLOWED),
        (403, ExitCode.NOT_ALLOWED),
        (404, ExitCode.NOT_FOUND),
        (409, ExitCode.CONFLICT),
        (422, ExitCode.USAGE),
        (429, ExitCode.UNAVAILABLE),
        (500, ExitCode.UNAVAILABLE),
        (503, ExitCode.UNAVAILABLE),
        (418, ExitCode.FAILED),
    ],
)
def test_a_status_becomes_its_exit_code(status: int, code: ExitCode) -> None:
    """Scripts tell kinds of failure apart."""
    error = problem_error(status, problem(), {})
    assert error.exit_code is code
    assert error.message == "It is so (WHY)."


def test_violations_name_their_fields() -> None:
    """What is wrong with a request is said field by field."""
    error = problem_error(400, problem(violations=[{"field": "repository", "description": "is required"}]), {})
    assert error.lines()[1] == "  | repository: is required"


@pytest.mark.parametrize("body", [b"", b"<html>secret</html>", b"[1]", b'{"detail": null}', b"\xff"])
def test_a_body_that_is_no_problem_is_not_shown(body: bytes) -> None:
    """A proxy's page on the terminal helps nobody."""
    assert problem_error(502, body, {}).message == "The gateway answered with status 502."


def test_a_limit_says_when_to_come_back() -> None:
    """Retry-After is for people too."""
    assert problem_error(429, problem(), {"Retry-After": "7"}).next_step == "try again in 7 seconds"


def test_refused_resources_keep_their_places() -> None:
    """Each problem is printed with file, line and column."""
    error = problem_error(422, problem(problems=[{"file": "a.yaml", "line": 3}]), {})
    assert isinstance(error, ResourcesRefusedError)
    assert error.problems == [{"file": "a.yaml", "line": 3}]
    assert error.exit_code is ExitCode.USAGE


def test_a_stream_whose_token_ended_is_opened_again() -> None:
    """A long run is followed past the life of one token; any other end is an error."""
    assert stream_problem('{"reason": "TOKEN_EXPIRED", "status": 401}').exit_code is ExitCode.UNAVAILABLE
    assert stream_problem('{"reason": "ROLE_MISSING", "status": 403}').exit_code is ExitCode.NOT_ALLOWED
