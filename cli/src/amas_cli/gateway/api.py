"""The gateway's REST API as methods, in the words of docs/openapi: paths, pages and the event stream are known here."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .client import HttpClient, StreamCutError
from .wire import normal

PAGE_SIZE = 200
MAX_PAGES = 50
RECONNECTS = 60
"""In a row without an event; with RECONNECT_DELAY_S that is a minute of a gateway that is away."""
RECONNECT_DELAY_S = 1.0
ENDED = frozenset({"succeeded", "failed", "rejected", "cancelled"})


class GatewayApi:
    """What commands ask for. Answers are plain values in the form of `wire.py`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def start_run(self, orchestration: str, given: Any, idempotency_key: str) -> dict[str, Any]:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = {"orchestration": orchestration, "input": given}
        return _one(await self._client.request("POST", "/v1/runs", body=body, headers=headers), "run")

    async def run(self, run_id: str) -> dict[str, Any]:
        return _one(await self._client.request("GET", f"/v1/runs/{_path(run_id)}"), "run")

    async def runs(self, **filters: str) -> list[dict[str, Any]]:
        return await self._list("/v1/runs", "runs", filters)

    async def cancel_run(self, run_id: str, reason: str) -> dict[str, Any]:
        answer = await self._client.request("POST", f"/v1/runs/{_path(run_id)}/cancel", body={"reason": reason})
        return _one(answer, "run")

    async def watch(self, run_id: str, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Events in order until the run ends, over as many connections as it takes."""
        seen, cuts = after, 0
        while True:
            try:
                async for event in self._client.events(f"/v1/runs/{_path(run_id)}/events", str(seen) if seen else ""):
                    content = normal(json.loads(event.data)) if event.data else {}
                    sequence = int(content.get("sequence", 0))
                    if sequence <= seen:
                        continue
                    seen, cuts = sequence, 0
                    yield content
                    if content.get("run_state_changed", {}).get("state") in ENDED:
                        return
            except StreamCutError:
                pass
            except CliError as error:
                if error.exit_code is not ExitCode.UNAVAILABLE or cuts >= RECONNECTS:
                    raise
            cuts += 1
            if cuts > RECONNECTS:
                raise CliError(
                    f"The events of run {run_id} were cut off too often.",
                    next_step=f"go on with `amas watch {run_id}`",
                    exit_code=ExitCode.UNAVAILABLE,
                )
            await asyncio.sleep(RECONNECT_DELAY_S)

    async def approval(self, approval_id: str) -> dict[str, Any]:
        return _one(await self._client.request("GET", f"/v1/approvals/{_path(approval_id)}"), "approval")

    async def approvals(self, **filters: str) -> list[dict[str, Any]]:
        return await self._list("/v1/approvals", "approvals", filters)

    async def decide(self, approval_id: str, *, approve: bool, digest: str, reason: str) -> dict[str, Any]:
        body = {"approve": approve, "action_digest": digest, "reason": reason}
        answer = await self._client.request("POST", f"/v1/approvals/{_path(approval_id)}/decision", body=body)
        return _one(answer, "approval")

    async def apply(
        self,
        files: Sequence[tuple[str, str]],
        delete: Sequence[tuple[str, str]] = (),
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """`files` are (name, content), `delete` are (kind, name). Problems are in the answer, not an error."""
        body = {
            "files": [{"name": name, "content": content} for name, content in files],
            "delete": [{"kind": kind, "name": name} for kind, name in delete],
            "dry_run": dry_run,
        }
        return dict(normal(await self._client.request("POST", "/v1/resources", body=body)))

    async def resources(self, **filters: str) -> list[dict[str, Any]]:
        return await self._list("/v1/resources", "resources", filters)

    async def tool_server(self, name: str) -> dict[str, Any]:
        """Its tools as it offers them now, their pin and the accepted one."""
        return dict(normal(await self._client.request("GET", f"/v1/tool-servers/{_path(name)}")))

    async def audit_events(self, **filters: str) -> list[dict[str, Any]]:
        return await self._list("/v1/audit/events", "entries", filters)

    def audit_export(self, run_id: str) -> AsyncIterator[bytes]:
        return self._client.download(f"/v1/audit/runs/{_path(run_id)}/export")

    async def _list(self, path: str, field: str, filters: dict[str, str]) -> list[dict[str, Any]]:
        """All pages, within a bound."""
        query = {name: value for name, value in filters.items() if value}
        items: list[dict[str, Any]] = []
        token = ""
        for _ in range(MAX_PAGES):
            page = {"page_size": str(PAGE_SIZE), **query, **({"page_token": token} if token else {})}
            answer = normal(await self._client.request("GET", path, query=page))
            items.extend(answer.get(field) or answer.get("items") or [])
            token = str(answer.get("next_page_token") or "")
            if not token:
                break
        return items


def _one(answer: Any, field: str) -> dict[str, Any]:
    """The object itself, whether or not it is wrapped in its name."""
    value = normal(answer)
    inner = value.get(field) if isinstance(value, dict) else None
    return dict(inner if isinstance(inner, dict) else value)


def _path(segment: str) -> str:
    return quote(segment, safe="")
