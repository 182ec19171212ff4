"""The server over streamable HTTP (MCP 2025-11-25), for callers that show a bearer token of a file.

The file is read at each request, so that tokens change without a restart. It must never serve somebody without one.
"""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

# Where the protocol is spoken, and where a probe is answered without a token.
PATH = "/mcp"
HEALTH = "/healthz"
_SCHEME = b"Bearer "


class TokenError(ValueError):
    """The file of tokens cannot be used; the message says why."""


class Tokens:
    """The tokens of a file, one a line: any of them is taken, so that old and new ones are good while they change."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> list[bytes]:
        """All tokens.

        Raises:
            TokenError: the file cannot be read, or has none.
        """
        try:
            found = [line.strip() for line in self._file.read_bytes().splitlines() if line.strip()]
        except OSError as error:
            raise TokenError(f"{self._file} cannot be read: {error.strerror}") from error
        if not found:
            raise TokenError(f"{self._file} has no token")
        return found

    def take(self, header: bytes) -> bool:
        """Whether an `Authorization` header shows one of them; never while the file cannot be read."""
        if not header.startswith(_SCHEME):
            return False
        shown = header.removeprefix(_SCHEME).strip()
        try:
            return any(hmac.compare_digest(shown, token) for token in self.read())
        except TokenError:
            return False


def guarded(app: ASGIApp, tokens: Tokens) -> ASGIApp:
    """`app` for those who show a token (RFC 6750); others get 401, and a probe gets 200 or 503."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
        elif scope["path"] == HEALTH:
            await _answer(send, 200 if _usable(tokens) else 503, [])
        elif tokens.take(dict(scope["headers"]).get(b"authorization", b"")):
            await app(scope, receive, send)
        else:
            await _answer(send, 401, [(b"www-authenticate", b'Bearer realm="amas-workspace"')])

    return serve


def _usable(tokens: Tokens) -> bool:
    try:
        return bool(tokens.read())
    except TokenError:
        return False


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0"), *headers]})
    await send({"type": "http.response.body", "body": b""})


async def serve(server: MCPServer, host: str, port: int, names: list[str], tokens: Tokens) -> None:
    """Serves until SIGTERM; `names` are the Host headers (`name:port`) under which it is reached.

    Raises:
        TokenError: there is no token to begin with.
    """
    tokens.read()
    security = TransportSecuritySettings(allowed_hosts=names)
    app = server.streamable_http_app(streamable_http_path=PATH, transport_security=security)
    config = uvicorn.Config(guarded(app, tokens), host=host, port=port, log_level="warning", access_log=False)
    await uvicorn.Server(config).serve()
