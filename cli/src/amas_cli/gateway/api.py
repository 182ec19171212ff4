"""The gateway's REST API as methods, as its /openapi.json has it. Only here are paths and pages known."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .audit_pages import AuditPage, audit_pages
from .client import HttpClient, StreamCutError
from .problems import stream_problem
from .wire import normal

PAGE_SIZE = 200
MAX_PAGES = 50
RECONNECTS = 60
"""In a row without an event; with RECONNECT_DELAY_S that is a minute of a gateway that is away."""
RECONNECT_DELAY_S = 1.0
Entry = dict[str, Any]
ENDED = frozenset({"succeeded", "failed", "rejected", "cancelled"})


class GatewayApi:
    """What commands ask for. Answers are plain values in the form of `wire.py`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def start_run(self, orchestration: str, given: Any, idempotency_key: str) -> dict[str, Any]:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = {"orchestration": orchestration, "input": given}
        return dict(normal(await self._client.request("POST", "/v1/runs", body=body, headers=headers)))

    async def run(self, run_id: str) -> dict[str, Any]:
        return dict(normal(await self._client.request("GET", f"/v1/runs/{_path(run_id)}")))

    async def runs(self, **filters: str) -> list[dict[str, Any]]:
        return await self._list("/v1/runs", "runs", filters)

    async def cancel_run(self, run_id: str, reason: str) -> dict[str, Any]:
        answer = await self._client.request("POST", f"/v1/runs/{_path(run_id)}:cancel", body={"reason": reason})
        return dict(normal(answer))

    async def watch(self, run_id: str, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Events in order until the run ends, over as many connections as it takes."""
        seen, cuts = after, 0
        while True:
            try:
                async for content in self._events_once(run_id, seen):
                    seen, cuts = int(content["sequence"]), 0
                    yield content
                    if (content.get("run_state_changed") or {}).get("state") in ENDED:
                        return
                if (await self.run(run_id)).get("state") in ENDED and cuts:
                    # The stream ended twice without a word, and there is nothing left to tell.
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

    async def _events_once(self, run_id: str, seen: int) -> AsyncIterator[dict[str, Any]]:
        """The new events of one connection; raises CliError for what the gateway says went wrong."""
        path = f"/v1/runs/{_path(run_id)}/events"
        async with aclosing(self._client.events(path, str(seen) if seen else "")) as events:
            async for event in events:
                if event.name == "error":
                    raise stream_problem(event.data)
                content = normal(json.loads(event.data))
                if int(content.get("sequence", 0)) > seen:
                    yield content

    async def approval(self, approval_id: str) -> dict[str, Any]:
        return dict(normal(await self._client.request("GET", f"/v1/approvals/{_path(approval_id)}")))

    async def approvals(self, **filters: str) -> list[dict[str, Any]]:
        return await self._list("/v1/approvals", "approvals", filters)

    async def preview_edit(self, approval_id: str, arguments: str) -> dict[str, Any]:
        """What would become of the action with other arguments (JSON text); changes nothing."""
        body = {"argumentsJson": arguments}
        answer = await self._client.request("POST", f"/v1/approvals/{_path(approval_id)}:previewEdit", body=body)
        return dict(normal(answer))

    async def decide(
        self, approval: Mapping[str, Any], *, approve: bool, reason: str, edited_arguments: str = ""
    ) -> dict[str, Any]:
        """Answers an approval as it was shown: the digests that are sent are those that it had."""
        approval_id, verb = str(approval["id"]), "approve" if approve else "reject"
        digests = {"actionDigest": approval["action_digest"], "renderingDigest": approval.get("rendering_digest", "")}
        body = {**digests, "reason": reason}
        if edited_arguments:
            body["editedArgumentsJson"] = edited_arguments
        answer = await self._client.request("POST", f"/v1/approvals/{_path(approval_id)}:{verb}", body=body)
        return dict(normal(answer))

    async def apply(
        self,
        files: Sequence[tuple[str, str]],
        delete: Sequence[tuple[str, str]] = (),
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """`files` are (name, content), `delete` are (kind, name). ResourcesRefusedError when one is wrong."""
        body = {
            "files": [{"name": name, "content": content} for name, content in files],
            "delete": [{"kind": kind, "name": name} for kind, name in delete],
            "dryRun": dry_run,
        }
        return dict(normal(await self._client.request("POST", "/v1/resources:apply", body=body)))

    async def resources(self, kind: str = "", name: str = "") -> list[dict[str, Any]]:
        """All, those of a kind, or one; NOT_FOUND for one that is not there."""
        if name:
            return [dict(normal(await self._client.request("GET", f"/v1/resources/{kind}/{_path(name)}")))]
        return await self._list(f"/v1/resources/{kind}" if kind else "/v1/resources", "resources", {})

    async def tool_server(self, name: str) -> dict[str, Any]:
        """Its tools as it offers them now, their pin and the accepted one."""
        return dict(normal(await self._client.request("GET", f"/v1/tool-servers/{_path(name)}")))

    async def revoke(self, kind: str, name: str, *, reason: str, force: bool) -> tuple[dict[str, Any], bool]:
        """The revocation, and whether it held before."""
        body = {"kind": kind, "name": name, "reason": reason, "force": force}
        answer = dict(normal(await self._client.request("POST", "/v1/revocations", body=body)))
        return dict(answer.get("revocation") or {}), bool(answer.get("existed"))

    async def restore(self, kind: str, name: str, *, reason: str) -> dict[str, Any]:
        body = {"kind": kind, "name": name, "reason": reason}
        answer = dict(normal(await self._client.request("POST", "/v1/revocations:restore", body=body)))
        return dict(answer.get("revocation") or {})

    async def revocations(self, *, lifted_too: bool) -> list[dict[str, Any]]:
        return await self._list("/v1/revocations", "revocations", {"all": "true" if lifted_too else ""})

    async def usage(self, **filters: str) -> list[dict[str, Any]]:
        return await self._list("/v1/usage", "rows", filters)

    async def budgets(self, name: str = "") -> list[dict[str, Any]]:
        return await self._list("/v1/budgets", "budgets", {"name": name})

    async def audit_events(self, **filters: str) -> list[dict[str, Any]]:
        return await self._list("/v1/audit/events", "entries", filters)

    async def audit_page(self, filters: Sequence[tuple[str, str]], token: str, size: int) -> tuple[list[Entry], str]:
        """Some entries, and the token of the next page."""
        page = [("pageSize", str(size)), *([("pageToken", token)] if token else [])]
        answer = normal(await self._client.request("GET", "/v1/audit/events", query=[*filters, *page]))
        return answer.get("entries") or [], str(answer.get("next_page_token") or "")

    def audit_stream(self, filters: Sequence[tuple[str, str]], token: str = "") -> AsyncIterator[AuditPage]:
        """All entries from a token on, page by page, over as many connections as it takes."""
        return audit_pages(self._client, filters, token, pause=RECONNECT_DELAY_S)

    async def subject_page(self, subject: str, token: str, size: int) -> tuple[list[Entry], list[Entry], str]:
        """Runs that hold a subject's data, the keys of it, and the token of the next page."""
        body = {"subject": subject, "pageSize": size, **({"pageToken": token} if token else {})}
        answer = normal(await self._client.request("POST", "/v1/audit/subjects:search", body=body))
        return answer.get("runs") or [], answer.get("keys") or [], str(answer.get("next_page_token") or "")

    async def erase_contents(self, subject: str, *, dry_run: bool) -> dict[str, Any]:
        body = {"subject": subject, "dryRun": dry_run}
        return dict(normal(await self._client.request("POST", "/v1/audit/erasures", body=body)))

    def audit_export(self, run_id: str) -> AsyncIterator[bytes]:
        return self._client.download(f"/v1/audit/runs/{_path(run_id)}/export")

    async def audit_checkpoint(self) -> dict[str, Any]:
        """The newest checkpoint of the log, and the verifier key that it names itself by."""
        return dict(normal(await self._client.request("GET", "/v1/audit/checkpoint")))

    async def audit_bundle(self, digest: str) -> bytes:
        """The resources and policies that a bundle's digest is taken of, byte for byte; NOT_FOUND if there are none."""
        return b"".join([piece async for piece in self._client.download(f"/v1/audit/bundles/{_path(digest)}")])

    async def _list(self, path: str, field: str, filters: dict[str, str]) -> list[dict[str, Any]]:
        """All pages; raises CliError if there are more than MAX_PAGES, since half a list would pass for the whole."""
        query = {name: value for name, value in filters.items() if value}
        items: list[dict[str, Any]] = []
        token = ""
        for _ in range(MAX_PAGES):
            page = {"pageSize": str(PAGE_SIZE), **query, **({"pageToken": token} if token else {})}
            answer = normal(await self._client.request("GET", path, query=page))
            items.extend(answer.get(field) or [])
            token = str(answer.get("next_page_token") or "")
            if not token:
                return items
        raise CliError(
            f"There are more than {MAX_PAGES * PAGE_SIZE} {field}, which is more than one answer holds.",
            next_step="ask for fewer: name a run, or another filter that --help shows",
        )


def _path(segment: str) -> str:
    return quote(segment, safe="")
