"""access_token: renewed before it ends, asked for once, and never shown."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from amas_chassis.clock import ManualClock
from amas_operator.adapters.access_token import ClientCredentials, TokenFile
from amas_operator.domain.errors import UnavailableError

from .servers import serving

SECRET = "a-secret-that-nobody-may-see"


class Issuer:
    """An issuer that gives numbered tokens of two minutes, or what it is told."""

    def __init__(self, status: int = 200, answer: dict[str, Any] | None = None) -> None:
        self.status, self.answer = status, answer
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        if request.path.endswith("openid-configuration"):
            return web.json_response({"token_endpoint": str(request.url.origin()) + "/token"})
        login, _, password = (
            base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
        )
        form = await request.post()
        assert (form["grant_type"], form["audience"]) == ("client_credentials", "amas")
        self.asked.append((login, password))
        token = {"access_token": f"token-{len(self.asked)}", "expires_in": 120}
        return web.json_response(token if self.answer is None else self.answer, status=self.status)


def _client(url: str, folder: Path, clock: ManualClock) -> ClientCredentials:
    (folder / "secret").write_text(SECRET + "\n")
    return ClientCredentials(url, "operator", folder / "secret", "amas", clock)


async def test_a_token_is_kept_until_shortly_before_it_ends(tmp_path: Path) -> None:
    """Many askers at once share one question; 30 seconds before the end a new one is asked for."""
    clock, issuer = ManualClock(datetime(2026, 11, 28, tzinfo=UTC)), Issuer()
    async with serving(issuer) as url:
        token = _client(url, tmp_path, clock)
        assert await asyncio.gather(*(token() for _ in range(8))) == ["token-1"] * 8
        clock.advance(89)
        assert await token() == "token-1"
        clock.advance(2)
        assert await token() == "token-2"
    assert issuer.asked == [("operator", SECRET)] * 2


@pytest.mark.parametrize(
    ("issuer", "words"),
    [
        (Issuer(401, {"error": "invalid_client"}), "status 401"),
        (Issuer(200, {"token_type": "Bearer"}), "holds no token"),
    ],
)
async def test_an_issuer_that_gives_none_is_told_without_the_secret(issuer: Issuer, words: str, tmp_path: Path) -> None:
    """And asked again the next time."""
    async with serving(issuer) as url:
        token = _client(url, tmp_path, ManualClock(datetime(2026, 11, 28, tzinfo=UTC)))
        for _ in range(2):
            with pytest.raises(UnavailableError, match=words) as error:
                await token()
            assert SECRET not in str(error.value)
    assert len(issuer.asked) == 2


async def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    """Somebody else renews it; a file that is empty or away is no token."""
    path = tmp_path / "token"
    token = TokenFile(path)
    with pytest.raises(UnavailableError, match="cannot be read"):
        await token()
    for content in ("first\n", "second"):
        path.write_text(content)
        assert await token() == content.strip()
    path.write_text("\n")
    with pytest.raises(UnavailableError, match="empty"):
        await token()
