"""Shows the resources of a tenant's active bundle, bundles by digest, and what a tool server offers."""

from __future__ import annotations

from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.pagination import decode_token, encode_token
from amas_governance.bundle import Bundle
from amas_governance.resources import Resource

from amas_orchestrator.domain.conversation import ServerOffer
from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import BundleInfo, BundleStore, Enforcer

from .read_runs import DEFAULT_PAGE, LARGEST_PAGE


class ReadResources:
    """Reads bundles."""

    def __init__(self, bundles: BundleStore, enforcer: Enforcer) -> None:
        self._bundles = bundles
        self._enforcer = enforcer

    async def page(
        self, principal: Principal, kind: str, name: str, size: int, token: str
    ) -> tuple[list[Resource], str, BundleInfo | None]:
        """A page of resources in order of kind and name, the next page's token, and the bundle that they are of."""
        active = await self._bundles.active(principal.tenant)
        if active is None:
            return [], "", None
        info, bundle = active
        cursor = decode_token(token)
        after = (str(cursor.get("kind", "")), str(cursor.get("name", "")))
        found = [
            resource
            for resource in bundle.resources
            if kind in ("", resource.KIND)
            and name in ("", resource.metadata.name)
            and (resource.KIND, resource.metadata.name) > after
        ]
        size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
        shown = found[:size]
        if len(found) <= size:
            return shown, "", info
        last = shown[-1]
        return shown, encode_token({"kind": last.KIND, "name": last.metadata.name}), info

    async def bundle(self, tenant: str, digest: str) -> tuple[BundleInfo, Bundle]:
        """A bundle of a tenant by its digest; the active one when there is none given."""
        found = await (self._bundles.get(tenant, digest) if digest else self._bundles.active(tenant))
        if found is None:
            raise AmasError(ErrorKind.NOT_FOUND, "BUNDLE_NOT_FOUND", "there is no such bundle")
        return found

    async def describe_tool_server(self, principal: Principal, server: str) -> ServerOffer:
        """What the live server offers, the pin that this would have, and the pin that was accepted."""
        info, bundle = await self.bundle(principal.tenant, "")
        if bundle.tool_server(server) is None:
            raise AmasError(ErrorKind.NOT_FOUND, "TOOL_SERVER_NOT_FOUND", f"there is no tool server {server}")
        return await self._enforcer.describe(info.digest, server, principal.tenant)
