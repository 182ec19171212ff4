"""The status of a custom resource, from a verdict: by the conventions of Kubernetes, and only anew where it differs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from amas_governance.custom_resources.status import MAX_MESSAGE, short_digest

from .model import CustomResource, Reason, Verdict

READY = "Ready"
_WORDS = {True: "True", False: "False", None: "Unknown"}


def ready_condition(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The condition `Ready` of a status; empty if there is none."""
    conditions = status.get("conditions") or []
    return next((condition for condition in conditions if condition.get("type") == READY), {})


def is_applied(resource: CustomResource) -> bool:
    """Whether its status says that this generation is in force."""
    condition = ready_condition(resource.status)
    return condition.get("status") == "True" and condition.get("observedGeneration") == resource.generation


def next_status(resource: CustomResource, verdict: Verdict, now: datetime) -> dict[str, Any] | None:
    """The status to write, or None where what stands says the same.

    What is in force and did not change keeps the bundle that it came into force with, so that a change of one
    resource is no write to all others. Of what is not known, nothing is said that was known before.
    """
    if verdict.ready is None and is_applied(resource):
        return None
    before = ready_condition(resource.status)
    condition = {
        "type": READY,
        "status": _WORDS[verdict.ready],
        "observedGeneration": resource.generation,
        "reason": str(verdict.reason),
        "message": bounded(verdict.message),
    }
    bundle = verdict.bundle or str(resource.status.get("bundleDigest") or "")
    status: dict[str, Any] = {"observedGeneration": resource.generation}
    if bundle:
        status |= {"bundle": short_digest(bundle), "bundleDigest": bundle}
    same = all(before.get(key) == value for key, value in condition.items())
    if same and all(resource.status.get(key) == value for key, value in status.items()):
        return None
    moved = before.get("status") != condition["status"] or not before.get("lastTransitionTime")
    since = timestamp(now) if moved else before["lastTransitionTime"]
    return {**status, "conditions": [{**condition, "lastTransitionTime": since}]}


def kept_bundle(resource: CustomResource, bundle: str, *, changed: bool) -> str:
    """The bundle that a resource in force names: its own from before, unless it changed or has none."""
    before = str(resource.status.get("bundleDigest") or "")
    return before if before and not changed and is_applied(resource) else bundle


def applied(resource: CustomResource, bundle: str, *, changed: bool, notes: str) -> Verdict:
    """The verdict on what the platform took."""
    return Verdict(True, Reason.APPLIED, notes or "in force", kept_bundle(resource, bundle, changed=changed))


def timestamp(time: datetime) -> str:
    """A time in UTC as the API server writes its own (RFC 3339), in whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def bounded(message: str) -> str:
    """A message of a condition, cut to what a definition takes."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
