"""The mirrored runs of a namespace at the API server, told from anything else by their label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_governance.custom_resources import GROUP, RUN_KIND, RUNS, VERSION
from kubernetes.aio import client

from amas_operator.domain.errors import ChangedMeanwhileError, UnavailableError
from amas_operator.domain.runs import MIRROR_LABEL, MIRROR_VALUE, RunObject

from .kubernetes_access import MANAGER, MERGE_PATCH, TIMEOUT_S, answered


class KubernetesRuns:
    """Reads and writes as the API client's user may."""

    def __init__(self, api_client: client.ApiClient, namespace: str) -> None:
        self._api = client.CustomObjectsApi(api_client)
        self._place = (GROUP, VERSION, namespace, RUNS.plural)

    async def mirrored(self) -> list[RunObject]:
        """All with our label, in one page: there are no more than a setting allows."""
        try:
            page = await answered(
                self._api.list_namespaced_custom_object(
                    *self._place, label_selector=f"{MIRROR_LABEL}={MIRROR_VALUE}", _request_timeout=TIMEOUT_S
                )
            )
        except ChangedMeanwhileError as error:
            raise UnavailableError("the API server knows no Runs: upgrade the chart amas-crds") from error
        return [RunObject(str(item["metadata"]["name"]), item.get("status") or {}) for item in page["items"]]

    async def create(self, name: str, status: Mapping[str, Any]) -> None:
        """Writes a new one, whole."""
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": RUN_KIND,
            "metadata": {"name": name, "labels": {MIRROR_LABEL: MIRROR_VALUE}},
            "status": dict(status),
        }
        await answered(
            self._api.create_namespaced_custom_object(
                *self._place, body, field_manager=MANAGER, _request_timeout=TIMEOUT_S
            )
        )

    async def update(self, run: RunObject, status: Mapping[str, Any]) -> None:
        """Replaces its status; in a merge patch null takes a field away."""
        gone = dict.fromkeys(run.status.keys() - status.keys())
        await answered(
            self._api.patch_namespaced_custom_object(
                *self._place,
                run.name,
                {"status": {**gone, **status}},
                field_manager=MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=TIMEOUT_S,
            )
        )

    async def delete(self, name: str) -> None:
        """Deletes it at once."""
        await answered(self._api.delete_namespaced_custom_object(*self._place, name, _request_timeout=TIMEOUT_S))
