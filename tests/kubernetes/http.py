"""The API server's own answers, as a client other than kubectl gets them: fast enough for thousands of questions."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from amas_governance.custom_resources import GROUP, NAMES, VERSION

from .api_server import ApiServer


@dataclass
class Answer:
    """A status and what came with it."""

    status: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        """Why it was refused, in the server's words."""
        return str(self.body.get("message", ""))

    @property
    def fields(self) -> list[str]:
        """Fields that the server names as wrong."""
        causes = (self.body.get("details") or {}).get("causes") or []
        return [str(cause.get("field")) for cause in causes]


class Api:
    """One kept connection as a user."""

    def __init__(self, server: ApiServer, user: str = "admin") -> None:
        parts = urlsplit(server.url)
        trusted = ssl.create_default_context(cafile=str(server.folder / "apiserver.crt"))
        self._connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=60, context=trusted)
        self._headers = {"Authorization": f"Bearer {server.tokens[user]}", "Content-Type": "application/json"}

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        """The answer to one request."""
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, {**self._headers, "Content-Type": content_type})
        with self._connection.getresponse() as response:
            return Answer(response.status, json.loads(response.read()))

    def create(self, manifest: dict[str, Any], namespace: str = "default", *, dry_run: bool = True) -> Answer:
        """Creates an object as kubectl does: unknown fields are errors."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.request("POST", self.path(manifest["kind"], namespace) + query, manifest)

    @staticmethod
    def path(kind: str, namespace: str = "default", name: str = "") -> str:
        """Where the objects of a kind are."""
        folder = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{NAMES[kind].plural}"
        return f"{folder}/{name}" if name else folder

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()
