"""`amas revoke`, `restore` and `revocations`, as users run them."""

import json

import pytest
from aiohttp import web

from ..fakes import FakeGateway
from .conftest import Run

REVOCATION = {
    "id": "rev-1",
    "kind": "REVOCATION_KIND_ROLE",
    "name": "writer",
    "reason": "it wrote to a customer",
    "revokedBy": "platform-admin",
    "revokedAt": "2026-11-23T10:00:00Z",
    "liftedAt": None,
    "liftedBy": "",
}


def test_revoke_says_what_it_did(run: Run, gateway: FakeGateway) -> None:
    """The whole request, and one line that a script can read; progress goes to standard error."""
    gateway.answers["POST", "/v1/revocations"] = {"revocation": REVOCATION, "existed": False}
    done = run("revoke", "role", "writer", "--reason", "it wrote to a customer")
    assert done.exit_code == 0, done.output
    assert done.stdout == "role/writer revoked\n"
    assert gateway.asked[-1].body == {
        "kind": "role",
        "name": "writer",
        "reason": "it wrote to a customer",
        "force": False,
    }
    assert "on the record" in done.stderr


def test_again_says_that_it_was_before(run: Run, gateway: FakeGateway) -> None:
    """Idempotent: again is a success, and says so."""
    gateway.answers["POST", "/v1/revocations"] = {"revocation": REVOCATION, "existed": True}
    done = run("revoke", "role", "writer")
    assert (done.exit_code, done.stdout) == (0, "role/writer was revoked already\n")


def test_a_bundle_says_what_to_do_next(run: Run, gateway: FakeGateway) -> None:
    """Nothing can be started under it: the next step is to apply another."""
    gateway.answers["POST", "/v1/revocations"] = {"revocation": REVOCATION, "existed": False}
    done = run("revoke", "bundle", "sha256:1", "--force")
    assert "apply resources that make another bundle" in done.stderr
    assert gateway.asked[-1].body["force"] is True


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (404, "REVOCABLE_NOT_FOUND", 3),
        (409, "REVOKES_ITSELF", 6),
        (403, "ROLE_MISSING", 4),
        (503, "REVOCATION_NOT_SPREAD", 5),
    ],
)
def test_a_refusal_has_its_exit_code(run: Run, gateway: FakeGateway, status: int, reason: str, code: int) -> None:
    """What scripts depend on: nothing that did not get everywhere passes for done."""

    async def refuse(request: web.Request) -> web.Response:
        problem = {"status": status, "reason": reason, "detail": "did you mean writer?", "title": "No"}
        return web.json_response(problem, status=status, content_type="application/problem+json")

    gateway.handlers["POST", "/v1/revocations"] = refuse
    done = run("revoke", "role", "writr")
    assert done.exit_code == code
    assert f"did you mean writer? ({reason})" in done.stderr
    assert done.stdout == ""


def test_a_kind_that_is_none_is_a_usage_error(run: Run, gateway: FakeGateway) -> None:
    """Refused before anybody is asked."""
    assert run("revoke", "server", "git").exit_code == 2
    assert not gateway.asked


def test_restore(run: Run, gateway: FakeGateway) -> None:
    """Lifts, with a reason for the record."""
    gateway.answers["POST", "/v1/revocations:restore"] = {"revocation": REVOCATION, "existed": False}
    done = run("restore", "tool", "git/git_commit", "--reason", "false alarm")
    assert (done.exit_code, done.stdout) == (0, "tool/git/git_commit restored\n")
    assert gateway.asked[-1].body == {"kind": "tool", "name": "git/git_commit", "reason": "false alarm"}


def test_the_list(run: Run, gateway: FakeGateway) -> None:
    """Who, when and why, for people and for programs; an empty list says so."""
    gateway.answers["GET", "/v1/revocations"] = {"revocations": [REVOCATION], "nextPageToken": ""}
    done = run("revocations")
    assert done.stdout.splitlines()[1].split()[:3] == ["role", "writer", "platform-admin"]
    assert "it wrote to a customer" in done.stdout
    (shown,) = json.loads(run("revocations", "--all", "--output", "json").stdout)
    assert (shown["kind"], shown["name"], shown["revoked_by"]) == ("role", "writer", "platform-admin")
    gateway.answers["GET", "/v1/revocations"] = {"revocations": [], "nextPageToken": ""}
    assert run("revocations").stdout == "nothing is revoked\n"
