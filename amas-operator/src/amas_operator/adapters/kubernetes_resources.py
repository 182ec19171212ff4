"""The custom resources of a namespace at the API server: read whole, and written by merge patches (RFC 7386)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_governance.custom_resources import GROUP, NAMES, VERSION, manifest_of
from kubernetes.aio import client

from amas_operator.domain.model import FINALIZER, CustomResource, Key

from .kubernetes_access import MANAGER, MERGE_PATCH, TIMEOUT_S, answered

PAGE = 500


class KubernetesResources:
    """Reads and writes as the API client's user may."""

    def __init__(self, api_client: client.ApiClient, namespace: str) -> None:
        self._api = client.CustomObjectsApi(api_client)
        self._namespace = namespace

    async def resources(self) -> list[CustomResource]:
        """All, of every kind."""
        return [_read(kind, item) for kind in NAMES for item in (await self.listed(kind))[0]]

    async def listed(self, kind: str) -> tuple[list[dict[str, Any]], str]:
        """The objects of a kind as they come, and the version that a watch goes on from."""
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while not items or page["metadata"].get("continue"):
            following = {"_continue": page["metadata"]["continue"]} if page else {}
            page = await answered(
                self._api.list_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self._namespace,
                    NAMES[kind].plural,
                    limit=PAGE,
                    _request_timeout=TIMEOUT_S,
                    **following,
                )
            )
            items += page["items"]
            if not page["items"]:
                break
        return items, str(page["metadata"]["resourceVersion"])

    async def write_status(self, resource: CustomResource, status: Mapping[str, Any]) -> None:
        """Replaces what is ours of the status."""
        await answered(
            self._api.patch_namespaced_custom_object_status(
                *self._place(resource),
                {"status": dict(status)},
                field_manager=MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=TIMEOUT_S,
            )
        )

    async def hold(self, resource: CustomResource) -> CustomResource:
        """Puts our finalizer on it, if it is still as it was read."""
        return await self._with_finalizers(resource, (*resource.finalizers, FINALIZER))

    async def release(self, resource: CustomResource) -> None:
        """Takes our finalizer off, if it is still as it was read."""
        await self._with_finalizers(resource, tuple(name for name in resource.finalizers if name != FINALIZER))

    async def _with_finalizers(self, resource: CustomResource, finalizers: tuple[str, ...]) -> CustomResource:
        metadata = {"finalizers": list(finalizers), "resourceVersion": resource.resource_version}
        changed = await answered(
            self._api.patch_namespaced_custom_object(
                *self._place(resource),
                {"metadata": metadata},
                field_manager=MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=TIMEOUT_S,
            )
        )
        return _read(resource.key.kind, changed)

    def _place(self, resource: CustomResource) -> tuple[str, str, str, str, str]:
        return GROUP, VERSION, self._namespace, NAMES[resource.key.kind].plural, resource.key.name


def _read(kind: str, item: Mapping[str, Any]) -> CustomResource:
    metadata = item["metadata"]
    # Items of a list name no kind of their own when a client asks for JSON: it is that of the list.
    whole = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, **item}
    return CustomResource(
        key=Key(kind, str(metadata["name"])),
        generation=int(metadata.get("generation") or 0),
        resource_version=str(metadata["resourceVersion"]),
        manifest=manifest_of(whole),
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
        status=item.get("status") or {},
    )
