"""One round: what the namespace says is brought to the platform, and what came of it is written on each resource."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from amas_chassis.clock import Clock
from amas_governance.problems import field_path
from amas_governance.resources import ManifestError, parse_manifest

from amas_operator.domain import statuses
from amas_operator.domain.errors import ChangedMeanwhileError, UnavailableError
from amas_operator.domain.model import FINALIZER, CustomResource, Key, Reason, Verdict
from amas_operator.ports import Cluster, Platform, Telemetry

from .apply_all import ApplyAll

_log = logging.getLogger(__name__)


class Reconcile:
    """Repeatable: a second round over the same changes nothing, on the platform or in the cluster."""

    def __init__(self, cluster: Cluster, platform: Platform, telemetry: Telemetry, clock: Clock) -> None:
        self._cluster = cluster
        self._apply = ApplyAll(platform)
        self._telemetry = telemetry
        self._clock = clock

    async def __call__(self) -> None:
        """Raises UnavailableError when it should be tried again soon; what is known by then is written."""
        began = self._clock.monotonic()
        try:
            ready, not_ready = await self._round()
        except UnavailableError:
            self._telemetry.reconciled("unavailable", self._clock.monotonic() - began)
            raise
        self._telemetry.resources(ready, not_ready)
        self._telemetry.reconciled("refused" if not_ready else "applied", self._clock.monotonic() - began)

    async def _round(self) -> tuple[int, int]:
        found = await self._cluster.resources()
        leaving = [resource for resource in found if resource.deleting]
        staying = [resource for resource in found if not resource.deleting]
        manifests, verdicts = _parsed(staying)
        held = [await self._held(resource) for resource in staying if resource.key in manifests]
        sound = [resource for resource in held if resource is not None]
        try:
            verdicts |= await self._apply.put(sound, manifests)
            outcome = await self._apply.take_off([resource.key for resource in leaving if _is_held(resource)])
        except UnavailableError as error:
            unknown = Verdict(None, Reason.PLATFORM_UNAVAILABLE, str(error))
            await self._tell(staying, {resource.key: unknown for resource in sound} | verdicts)
            raise
        for resource in leaving:
            if _is_held(resource) and outcome[resource.key] is None:
                await self._released(resource)
        still = {key: verdict for key, verdict in outcome.items() if verdict is not None}
        await self._tell(found, verdicts | still)
        ready = sum(verdict.ready is True for verdict in verdicts.values())
        return ready, len(verdicts) - ready + len(still)

    async def _held(self, resource: CustomResource) -> CustomResource | None:
        """With our finalizer before the platform hears of it: else its deletion could be missed."""
        if _is_held(resource):
            return resource
        try:
            return await self._cluster.hold(resource)
        except ChangedMeanwhileError:
            return None

    async def _released(self, resource: CustomResource) -> None:
        try:
            await self._cluster.release(resource)
            _log.info("deleted", extra={"resource": str(resource.key)})
        except ChangedMeanwhileError:
            _log.info("changed while it was deleted; the next round goes on", extra={"resource": str(resource.key)})

    async def _tell(self, resources: list[CustomResource], verdicts: Mapping[Key, Verdict]) -> None:
        for resource in resources:
            verdict = verdicts.get(resource.key)
            status = statuses.next_status(resource, verdict, self._clock.now()) if verdict else None
            if status is None or verdict is None:
                continue
            try:
                await self._cluster.write_status(resource, status)
            except ChangedMeanwhileError:
                continue
            _log.info(
                "status written",
                extra={"resource": str(resource.key), "ready": verdict.ready, "reason": str(verdict.reason)},
            )


def _is_held(resource: CustomResource) -> bool:
    return FINALIZER in resource.finalizers


def _parsed(resources: list[CustomResource]) -> tuple[dict[Key, Mapping[str, Any]], dict[Key, Verdict]]:
    """Manifests of what is a resource, and verdicts on what is none."""
    manifests: dict[Key, Mapping[str, Any]] = {}
    verdicts: dict[Key, Verdict] = {}
    for resource in resources:
        try:
            parse_manifest(resource.manifest)
        except ManifestError as error:
            words = "; ".join(f"{field_path(path)}: {message}" for path, message in error.problems)
            verdicts[resource.key] = Verdict(False, Reason.INVALID, words)
        else:
            manifests[resource.key] = resource.manifest
    return manifests, verdicts
