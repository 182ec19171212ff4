"""Applies resources: reads all files, checks all of them together, and makes one new bundle; all or nothing.

A bundle is put on the record before it becomes the active one. Runs that are under way stay with theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from amas_chassis.clock import Clock
from amas_governance import consistency
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.loader import SourceFile, load
from amas_governance.problems import Problem
from amas_governance.resources import Resource, ToolServer

from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.ids import new_run_id
from amas_orchestrator.domain.model import Json, Principal
from amas_orchestrator.ports import AuditLog, BundleInfo, BundleStore

from .ask_administration import AskAdministration, Key


@dataclass(frozen=True)
class Change:
    """What happens to one resource: created, configured, unchanged or deleted; manifests before and after."""

    kind: str
    name: str
    change: str
    before: Json | None = None
    after: Json | None = None


@dataclass(frozen=True)
class Applied:
    """What came of it. With problems, nothing was applied; warnings stop nothing."""

    bundle: BundleInfo | None = None
    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


class ApplyResources:
    """Applies resources under the policies that this process was given."""

    def __init__(
        self, bundles: BundleStore, policies: PolicySet, ask: AskAdministration, audit: AuditLog, clock: Clock
    ) -> None:
        self._bundles = bundles
        self._ask = ask
        self._policies = policies
        self._audit = audit
        self._clock = clock

    async def __call__(
        self, principal: Principal, files: Sequence[SourceFile], delete: Sequence[Key], *, dry_run: bool
    ) -> Applied:
        """Reads, merges, checks and, unless it is a dry run, makes the result the tenant's active bundle."""
        active = await self._bundles.active(principal.tenant)
        before = {_key(resource): resource for resource in active[1].resources} if active else {}
        loaded = load(files)
        problems = list(loaded.problems)
        after = dict(before)
        for key in delete:
            if key not in after:
                problems.append(Problem("", 0, 0, "", f"there is no {key[0]} {key[1]} to delete"))
            after.pop(key, None)
        after.update({_key(resource): resource for resource in loaded.resources})
        if not problems:
            problems = consistency.check(after.values(), loaded.positions)
        if problems:
            return Applied(problems=problems)
        try:
            bundle = Bundle.build(after.values(), self._policies)
        except ValueError as error:
            return Applied(problems=[Problem("", 0, 0, "", str(error))])
        changes = _changes(before, after, {_key(resource) for resource in loaded.resources})
        today = self._clock.now().date()
        warnings = consistency.advice(after.values(), before.values(), loaded.positions, today)
        info = active[0] if active else None
        if not (dry_run or (info and info.digest == bundle.digest)):
            await self._ask(principal, active[1] if active else None, _verbs(changes))
            info = await self._activate(principal, bundle, active, changes)
        return Applied(info, changes, warnings=warnings)

    async def _activate(
        self, principal: Principal, bundle: Bundle, active: tuple[BundleInfo, Bundle] | None, changes: list[Change]
    ) -> BundleInfo:
        now = self._clock.now()
        data = {
            "bundle": bundle.digest,
            "replaces": active[0].digest if active else "",
            "changes": [
                {"kind": change.kind, "name": change.name, "change": change.change}
                for change in changes
                if change.change != "unchanged"
            ],
        }
        event_id = f"resources-applied:{principal.tenant}/{new_run_id(now).removeprefix('run-')}"
        record = AuditRecord(event_id, "dev.amas.resources.applied", now, data=data)
        await self._audit.append_for_tenant(principal, record, bundle.digest)
        return await self._bundles.activate(principal, bundle, active[0].digest if active else "", now)


def _changes(before: dict[Key, Resource], after: dict[Key, Resource], named: set[Key]) -> list[Change]:
    """Changes in order of kind and name; what nobody named and did not change is left out."""
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        before_json, after_json = old.to_manifest() if old else None, new.to_manifest() if new else None
        if old is None:
            change = "created"
        elif new is None:
            change = "deleted"
        elif before_json != after_json:
            change = "configured"
        elif key in named:
            change = "unchanged"
        else:
            continue
        changes.append(Change(key[0], key[1], change, before_json, after_json))
    return changes


def _verbs(changes: list[Change]) -> dict[str, list[Key]]:
    """What policy is asked about. Accepting what a tool server offers is an act of its own: it changes a pin."""
    changed = [change for change in changes if change.change in ("created", "configured")]
    return {
        "apply": [(change.kind, change.name) for change in changed],
        "delete": [(change.kind, change.name) for change in changes if change.change == "deleted"],
        "acceptTool": [
            (change.kind, change.name)
            for change in changed
            if change.kind == ToolServer.KIND and _pin(change.after) not in (None, _pin(change.before))
        ],
    }


def _pin(manifest: Json | None) -> str | None:
    pin: str | None = manifest["spec"].get("pin") if manifest else None
    return pin


def _key(resource: Resource) -> Key:
    return resource.KIND, resource.metadata.name
