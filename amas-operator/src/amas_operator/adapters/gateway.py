"""The platform behind the gateway's REST API, as its /openapi.json has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from amas_governance.canonical import JsonRefused, canonical_json

from amas_operator.domain.errors import NotAllowedError, OperatorError, RefusedError, UnavailableError
from amas_operator.domain.model import Applied, Found, Key

from .access_token import AccessToken

TIMEOUT = aiohttp.ClientTimeout(total=60.0, sock_connect=5.0)
MAX_ANSWER_BYTES = 64 * 1024 * 1024
CHANGED = frozenset({"RESOURCE_CHANGE_KIND_CREATED", "RESOURCE_CHANGE_KIND_CONFIGURED"})


class Gateway:
    """One session as one principal."""

    def __init__(self, url: str, token: AccessToken) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Opens the session."""
        self._session = aiohttp.ClientSession(timeout=TIMEOUT, trust_env=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        if self._session is not None:
            await self._session.close()

    async def apply(self, manifests: Mapping[Key, Mapping[str, Any]], delete: Sequence[Key]) -> Applied:
        """Applies all or nothing; each manifest goes as a file that is named by its key."""
        try:
            files = [
                {"name": str(key), "content": canonical_json(dict(manifest)).decode()}
                for key, manifest in manifests.items()
            ]
        except JsonRefused as error:
            raise RefusedError([Found("", str(error))]) from error
        body = {"files": files, "delete": [{"kind": key.kind, "name": key.name} for key in delete]}
        answer = await self._request("POST", "/v1/resources:apply", body)
        changes = answer.get("changes") or []
        return Applied(
            bundle=str((answer.get("bundle") or {}).get("digest") or ""),
            changed=frozenset(Key(one["kind"], one["name"]) for one in changes if one.get("change") in CHANGED),
            warnings=_found(answer.get("warnings")),
        )

    async def has(self, key: Key) -> bool:
        """Whether there is such a resource."""
        return bool(await self.get(f"/v1/resources/{key.kind}/{quote(key.name, safe='')}"))

    async def get(self, path: str) -> dict[str, Any]:
        """What is at a path; empty if nothing."""
        return await self._request("GET", path, None)

    async def _request(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """The JSON of a successful answer; empty for what is not there."""
        if self._session is None:
            raise RuntimeError("used outside `async with`")
        headers = {"Authorization": f"Bearer {await self._token()}"}
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers=headers, allow_redirects=False
            ) as answer:
                status, content = answer.status, await _whole(answer.content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"the gateway {self._url} cannot be reached") from error
        document = _document(content)
        if status == 404 and method == "GET":
            return {}
        if status >= 300 or not isinstance(document, dict):
            raise _problem(status, document)
        return document


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """All of a body, which comes in pieces; of what is too long for us, nothing."""
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            return b""
    return bytes(body)


def _document(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _problem(status: int, document: Any) -> OperatorError:
    """The error of an answer (RFC 9457). A body that is no problem document is not shown: it may be anything."""
    problem = document if isinstance(document, dict) else {}
    words = str(problem.get("detail") or problem.get("title") or f"the gateway answered with status {status}")
    reason = f" ({problem['reason']})" if problem.get("reason") else ""
    if status == 422 and problem.get("problems"):
        return RefusedError(_found(problem["problems"]))
    if status == 403:
        return NotAllowedError(words + reason)
    if status in (400, 409, 412, 413, 422):
        violations = [f"{item.get('field')}: {item.get('description')}" for item in problem.get("violations") or []]
        return RefusedError([Found("", "; ".join([words + reason, *violations]))])
    return UnavailableError(words + reason)


def _found(problems: Any) -> tuple[Found, ...]:
    """Problems with their field; of a place within our own rendering nobody would know the line."""
    return tuple(
        Found(str(one.get("file") or ""), ": ".join(filter(None, (one.get("field"), one.get("message")))))
        for one in problems or []
    )
