"""The tenant's runs by the gateway's REST lists; of each, only what the cluster may show is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from amas_operator.domain.errors import UnavailableError
from amas_operator.domain.runs import RunSeen

from .gateway import Gateway

PAGE = 25
"""Runs come with what they were given and made: few at a time bound our memory."""
MOST_APPROVALS = 1_000
"""Of those that wait, the newest so many are counted."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,125}[a-z0-9])?")


class GatewayRuns:
    """Lists as the gateway's principal may."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def newest(self, count: int) -> list[RunSeen]:
        """The newest runs with the number of approvals that each waits for."""
        listed = [item async for item in self._listed("runs", {}, count)]
        waiting: Counter[str] = Counter()
        if any(item.get("state") == "RUN_STATE_WAITING" for item in listed):
            pending = self._listed("approvals", {"state": "pending"}, MOST_APPROVALS)
            waiting.update([str(item.get("runId")) async for item in pending])
        try:
            return [_read(item, waiting) for item in listed]
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise UnavailableError("the gateway's list of runs has something that is no run") from error

    async def _listed(self, name: str, query: Mapping[str, str], count: int) -> AsyncIterator[Mapping[str, Any]]:
        """The first items of a list. What has no list in it is no empty list."""
        token, left = "", count
        while left > 0:
            asked = {**query, "pageSize": str(min(PAGE, left)), **({"pageToken": token} if token else {})}
            page = await self._gateway.get(f"/v1/{name}?{urlencode(asked)}")
            items = page.get(name)
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise UnavailableError(f"the gateway's answer holds no list of {name}")
            for item in items[:left]:
                yield item
            left -= len(items)
            token = str(page.get("nextPageToken") or "")
            if not token or not items:
                return


def _read(item: Mapping[str, Any], waiting: Mapping[str, int]) -> RunSeen:
    name = str(item["id"])
    if not _NAME.fullmatch(name):
        raise ValueError("not the name of an object")
    cost = (item.get("usage") or {}).get("cost") or {}
    return RunSeen(
        id=name,
        orchestration=str(item["orchestration"]),
        state=str(item["state"]).removeprefix("RUN_STATE_").lower(),
        created_at=datetime.fromisoformat(item["createdAt"]),
        started_at=_time(item, "startedAt"),
        ended_at=_time(item, "endedAt"),
        cost=str(cost.get("amount") or ""),
        currency=str(cost.get("currency") or ""),
        trace_id=str(item.get("traceId") or ""),
        approvals_waiting=waiting.get(name, 0),
    )


def _time(item: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(item[name]) if item.get(name) else None
