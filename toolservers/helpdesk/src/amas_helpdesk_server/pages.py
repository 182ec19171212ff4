"""Fetches pages. It judges no address: which ones may be asked for is decided before a call comes here.

`routes.json` in the state folder names, for a host, the address that is asked in its place, as an egress proxy would.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

ROUTES = "routes.json"
MAX_PAGE = 64 * 1024
"""Bytes of one page that are read."""
TIMEOUT_S = 5.0


class PageError(ValueError):
    """A page that cannot be had; the message is meant for the model that asked."""


class Pages:
    """Pages by their URL."""

    def __init__(self, routes: Mapping[str, str]) -> None:
        self._routes = routes

    @classmethod
    def open(cls, folder: Path) -> Pages:
        """With the routes of a state folder, if it has any. Raises ValueError for any other content."""
        file = folder / ROUTES
        routes = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if not isinstance(routes, dict) or not all(isinstance(value, str) for value in routes.values()):
            raise ValueError(f"{ROUTES} must map hosts to HOST:PORT")
        return cls(routes)

    def fetch(self, url: str) -> str:
        """The text of a page; redirects are answered as such, never followed. Raises PageError."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise PageError("this is no URL") from error
        if parts.scheme not in ("http", "https") or not host:
            raise PageError("expected a URL that begins with http:// or https://")
        routed = self._routes.get(host)
        connection: http.client.HTTPConnection
        if routed is not None:
            connection = http.client.HTTPConnection(routed, timeout=TIMEOUT_S)
        elif parts.scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("GET", target, headers={"Host": host, "Accept": "text/*"})
            answer = connection.getresponse()
            text = answer.read(MAX_PAGE).decode("utf-8", "replace")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise PageError("the page cannot be reached") from error
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise PageError(f"the page answers with status {answer.status}")
        return text
