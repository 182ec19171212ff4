"""gateway: answers become what use cases know, and no answer is taken for another."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from amas_operator.adapters.gateway import Gateway
from amas_operator.domain.errors import NotAllowedError, OperatorError, RefusedError, UnavailableError
from amas_operator.domain.model import Found, Key

from libs.governance.tests import manifests

from .servers import serving

ROLE = Key("AgentRole", "writer")
TOKEN = "a-token-that-nobody-may-see"


async def _token() -> str:
    return TOKEN


async def _asked(status: int, body: Any, *, delete: bool = False) -> tuple[Any, list[dict[str, Any]]]:
    """The adapter's answer or error for one answer of a gateway, and what the gateway got."""
    got: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        given = await request.json() if request.can_read_body else {}
        got.append({"path": request.path, "authorization": request.headers["Authorization"], **given})
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)

    async with serving(answer) as url, Gateway(url, _token) as gateway:
        try:
            if delete:
                return await gateway.apply({}, [ROLE]), got
            return await gateway.apply({ROLE: manifests.role()}, ()), got
        except OperatorError as error:
            return error, got


async def test_what_was_applied_is_told_apart_from_what_did_not_change() -> None:
    """Each manifest goes as a file of its own; created and configured count as changes."""
    changes = [
        {"kind": "AgentRole", "name": "writer", "change": "RESOURCE_CHANGE_KIND_CONFIGURED"},
        {"kind": "AgentRole", "name": "reader", "change": "RESOURCE_CHANGE_KIND_UNCHANGED"},
    ]
    warnings = [{"file": "AgentRole/writer", "field": "spec.version", "message": "is the same"}]
    answer, got = await _asked(200, {"bundle": {"digest": "sha256:1"}, "changes": changes, "warnings": warnings})
    assert (answer.bundle, answer.changed) == ("sha256:1", frozenset({ROLE}))
    assert answer.warnings == (Found("AgentRole/writer", "spec.version: is the same"),)
    assert [file["name"] for file in got[0]["files"]] == ["AgentRole/writer"]
    assert got[0]["authorization"] == f"Bearer {TOKEN}"


async def test_a_deletion_names_kind_and_name() -> None:
    """And sends no file."""
    _, got = await _asked(200, {"bundle": {"digest": "sha256:1"}}, delete=True)
    assert (got[0]["files"], got[0]["delete"]) == ([], [{"kind": "AgentRole", "name": "writer"}])


async def test_problems_come_with_the_file_that_they_are_in() -> None:
    """So that a resource can be told what is wrong with it."""
    problems = [
        {"file": "AgentRole/writer", "line": 1, "field": "spec.model.route", "message": "unknown model route x"}
    ]
    error, _ = await _asked(422, {"title": "t", "problems": problems})
    assert isinstance(error, RefusedError)
    assert error.problems == (Found("AgentRole/writer", "spec.model.route: unknown model route x"),)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, {"detail": "not admitted", "reason": "POLICY_DENIED"}, NotAllowedError, "not admitted (POLICY_DENIED)"),
        (
            400,
            {"detail": "bad", "violations": [{"field": "files", "description": "too many"}]},
            RefusedError,
            "too many",
        ),
        (401, {"detail": "the token has ended"}, UnavailableError, "the token has ended"),
        (429, {"title": "slow down"}, UnavailableError, "slow down"),
        (503, "<html>secrets of a proxy</html>", UnavailableError, "status 503"),
        (200, "not JSON", UnavailableError, "status 200"),
        (302, {}, UnavailableError, "status 302"),
    ],
)
async def test_other_answers_are_errors_of_their_kind(
    status: int, body: Any, kind: type[Exception], words: str
) -> None:
    """What can be mended by asking again is apart from what cannot, and no page of a proxy is shown."""
    error, _ = await _asked(status, body)
    assert type(error) is kind
    assert words in str(error)
    assert "proxy" not in str(error)
    assert TOKEN not in str(error)


async def test_a_gateway_that_is_away_is_unavailable() -> None:
    """Nobody listens there any more."""
    async with serving(_never) as url:
        pass
    async with Gateway(url, _token) as gateway:
        with pytest.raises(UnavailableError, match="cannot be reached"):
            await gateway.apply({ROLE: manifests.role()}, ())


async def test_what_is_not_there_is_no_error() -> None:
    """404 answers the question whether the platform has a resource."""

    async def answer(request: web.Request) -> web.Response:
        there = request.path == "/v1/resources/AgentRole/writer"
        return web.json_response({"kind": "AgentRole"} if there else {"title": "no"}, status=200 if there else 404)

    async with serving(answer) as url, Gateway(url, _token) as gateway:
        assert await gateway.has(ROLE)
        assert not await gateway.has(Key("AgentRole", "reader"))


async def _never(_: web.Request) -> web.Response:
    raise AssertionError("nobody asks")
