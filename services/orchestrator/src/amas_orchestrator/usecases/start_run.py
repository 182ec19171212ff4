"""Starts a run: checks what is asked, stores the run pinned to the active bundle, and queues its durable workflow.

The stored row is the promise; the queue entry follows and is made again by a repetition with the same key, or by the
reminder if this process dies in between.
"""

from __future__ import annotations

from datetime import date

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError, ErrorKind, FieldViolation
from amas_governance import json_schemas
from amas_governance.bundle import Bundle
from amas_governance.canonical import JsonRefused, canonical_json, digest, parse_json
from amas_governance.problems import field_path
from amas_governance.resources import Orchestration
from amas_governance.revocations import actors

from amas_orchestrator.domain.errors import invalid, refused
from amas_orchestrator.domain.ids import new_run_id
from amas_orchestrator.domain.model import Principal, Run, RunState
from amas_orchestrator.domain.revocations import is_revoked
from amas_orchestrator.ports import BundleStore, Engine, Revocations, RevocationStore, RunStore

MAX_INPUT_BYTES = 1024 * 1024
"""Bytes of a run's input; larger things belong into a tool's reach."""


class StartRun:
    """Starts runs."""

    def __init__(
        self,
        runs: RunStore,
        bundles: BundleStore,
        revocations: Revocations,
        history: RevocationStore,
        engine: Engine,
        clock: Clock,
    ) -> None:
        self._runs = runs
        self._revocations = revocations
        self._history = history
        self._bundles = bundles
        self._engine = engine
        self._clock = clock

    async def __call__(
        self, principal: Principal, orchestration: str, input_json: str, key: str, traceparent: str
    ) -> tuple[Run, bool]:
        """The run, and whether it existed; raises AmasError that names each field that is wrong."""
        active = await self._bundles.active(principal.tenant)
        found = active[1].orchestration(orchestration) if active else None
        if active is None or found is None:
            raise AmasError(
                ErrorKind.NOT_FOUND, "ORCHESTRATION_NOT_FOUND", f"there is no orchestration {orchestration}"
            )
        now = self._clock.now()
        _refuse_removed(active[1], found, now.date())
        await self._refuse_revoked(principal, active[0].digest, found)
        value = _read(input_json)
        problems = json_schemas.findings(found.spec.input.schema_, value)
        if problems:
            violations = [FieldViolation(field_path(("input", *path)), message) for path, message in problems]
            raise invalid("INPUT_INVALID", "the input breaks the orchestration's schema", violations)
        run = Run(
            id=new_run_id(now),
            principal=principal,
            orchestration=orchestration,
            orchestration_version=found.spec.version,
            bundle=active[0].digest,
            state=RunState.QUEUED,
            traceparent=traceparent,
            input_json=canonical_json(value).decode(),
            created_at=now,
        )
        request = digest({"orchestration": orchestration, "input": value})
        stored, existed = await self._runs.create(run, key, request)
        if stored.state is RunState.QUEUED:
            await self._engine.enqueue(stored)
        return stored, existed

    async def _refuse_revoked(self, principal: Principal, bundle: str, orchestration: Orchestration) -> None:
        """Raises AmasError REVOKED with what was said when it was revoked."""
        revoked = await self._revocations.current()
        roles = [step.role for step in orchestration.spec.steps]
        wanted = actors(principal.tenant, principal=principal.subject, bundle=bundle, roles=roles)
        one = revoked.first(wanted)
        if one is not None:
            standing = await self._history.newest(one)
            raise is_revoked(one, standing.reason if standing else "")


def _refuse_removed(bundle: Bundle, orchestration: Orchestration, today: date) -> None:
    """Raises AmasError if a role that the run could come to act as is past its day of removal.

    Only a new run is stopped: one in flight keeps to the bundle that it started under.
    """
    pending, seen = [step.role for step in orchestration.spec.steps], set[str]()
    while pending:
        role = bundle.role(pending.pop())
        if role is None or role.metadata.name in seen:
            continue
        seen.add(role.metadata.name)
        pending += role.spec.delegates
        deprecated = role.spec.deprecated
        if deprecated is not None and deprecated.removed(today):
            instead = f"; use {deprecated.replaced_by} instead" if deprecated.replaced_by else ""
            text = f"the role {role.metadata.name} was removed on {deprecated.removal}: {deprecated.message}{instead}"
            raise refused("ROLE_REMOVED", text)


def _read(input_json: str) -> object:
    try:
        return parse_json(input_json, max_bytes=MAX_INPUT_BYTES)
    except JsonRefused as error:
        raise invalid("INPUT_INVALID", "the input is not JSON", [FieldViolation("input", str(error))]) from error
