"""Says that something changed in the namespace; what, the next round reads. Our own writes are no changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
from amas_governance.custom_resources import GROUP, NAMES, VERSION
from kubernetes.aio import client, watch

from amas_operator.domain.errors import OperatorError

from .kubernetes_resources import KubernetesResources

WATCH_S = 240
"""After which the API server ends a watch, and we list anew."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0

_log = logging.getLogger(__name__)


class KubernetesWatch:
    """Watches every kind; sets an event for each change that an author made."""

    def __init__(
        self, api_client: client.ApiClient, namespace: str, resources: KubernetesResources, changed: asyncio.Event
    ) -> None:
        self._api = client.CustomObjectsApi(api_client)
        self._namespace = namespace
        self._resources = resources
        self._changed = changed
        self._seen: dict[str, str] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in NAMES:
                group.create_task(self._watch_kind(kind))

    async def _watch_kind(self, kind: str) -> None:
        delay = FIRST_DELAY_S
        while True:
            try:
                items, version = await self._resources.listed(kind)
                for item in items:
                    self._look("LISTED", item)
                await self._follow(kind, version)
                delay = FIRST_DELAY_S
            except (OperatorError, client.ApiException, aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.info("a watch ended; it begins again", extra={"kind": kind, "why": type(error).__name__})
                await asyncio.sleep(delay)
                delay = min(LONGEST_DELAY_S, delay * 2)

    async def _follow(self, kind: str, version: str) -> None:
        watching: Any = watch.Watch  # ships no types
        async with watching(return_type="object").stream(
            self._api.list_namespaced_custom_object,
            GROUP,
            VERSION,
            self._namespace,
            NAMES[kind].plural,
            resource_version=version,
            timeout_seconds=WATCH_S,
            _request_timeout=WATCH_S + 30.0,
        ) as events:
            async for event in events:
                self._look(event["type"], event["raw_object"])

    def _look(self, what: str, item: Mapping[str, Any]) -> None:
        metadata = item["metadata"]
        uid, face = str(metadata["uid"]), _face(metadata)
        if what == "DELETED":
            self._seen.pop(uid, None)
        elif self._seen.get(uid) == face:
            return
        else:
            self._seen[uid] = face
        self._changed.set()


def _face(metadata: Mapping[str, Any]) -> str:
    """What an author can change: the generation counts changes of the spec, but not of labels or annotations."""
    parts = (metadata.get(name) for name in ("generation", "deletionTimestamp", "labels", "annotations"))
    return repr(tuple(sorted(part.items()) if isinstance(part, Mapping) else part for part in parts))
